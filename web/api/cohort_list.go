package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/flagset"
	"tidemark/web/respond"
)

// Cohort is a named targeting rule with how much of the recent traffic it holds.
type Cohort struct {
	Name     string          `json:"name"`
	Revision int64           `json:"revision"`
	Rule     json.RawMessage `json:"rule"`
	Flags    []string        `json:"flags"`   // that refer to it
	Cohorts  []string        `json:"cohorts"` // that refer to it
	Actor    string          `json:"actor"`
	At       time.Time       `json:"at"`
	Estimate CohortEstimate  `json:"estimate"`
}

// CohortEstimate comes from a uniform sample of the contexts of recent evaluations.
type CohortEstimate struct {
	Share       *float64  `json:"share"` // of evaluations, whole percent; null while nothing was sampled, and where few says why
	Low         *float64  `json:"low"`   // its 95 % interval
	High        *float64  `json:"high"`
	Sampled     int       `json:"sampled"`
	Evaluations uint64    `json:"evaluations"` // that the sample was drawn from
	TooLarge    uint64    `json:"too_large"`   // contexts that were left out of it
	Units       int       `json:"units"`       // distinct targeting keys in the sample, in tens
	UnitsIn     *int      `json:"units_in"`    // of these in the cohort, in tens; null as share is
	Few         string    `json:"few,omitempty"`
	Since       time.Time `json:"since"`
}

func viewEstimate(e *flagset.Estimate) CohortEstimate {
	out := CohortEstimate{
		Share: e.Share, Low: e.Low, High: e.High, Sampled: e.Sampled, Evaluations: e.Seen, TooLarge: e.Large,
		Units: e.Units, Few: e.Few, Since: e.Since,
	}
	if e.Share != nil {
		out.UnitsIn = &e.UnitsIn
	}
	return out
}

func (f *Flags) listCohorts(c echo.Context) error {
	if q := f.api.readParams(c); q.err != nil {
		return q.err
	}
	estimates, err := f.o.Catalogue.Estimates()
	if err != nil {
		return err
	}
	out := []Cohort{}
	for _, v := range f.o.Catalogue.List(flags.KindCohort) {
		x := Cohort{Name: v.ID.Name, Revision: v.Revision, Rule: v.Content, Actor: v.Actor, At: v.At}
		x.Flags, x.Cohorts = f.o.Catalogue.Uses(x.Name)
		x.Flags, x.Cohorts = orEmpty(x.Flags), orEmpty(x.Cohorts)
		if e := estimates[x.Name]; e != nil {
			x.Estimate = viewEstimate(e)
		}
		out = append(out, x)
	}
	if respond.WantsCSV(c) {
		return respond.CSV(c, cohortTable(out))
	}
	return respond.JSON(c, http.StatusOK, page[Cohort]{Items: out})
}

func cohortTable(list []Cohort) respond.Table {
	t := respond.Table{Name: "cohorts", Header: []string{"name", "revision", "share", "low", "high", "sampled", "evaluations", "units", "units_in", "few"}}
	number := func(v *float64) string {
		if v == nil {
			return ""
		}
		return strconv.FormatFloat(*v, 'g', -1, 64)
	}
	for i := range list {
		x, e := &list[i], &list[i].Estimate
		unitsIn := ""
		if e.UnitsIn != nil {
			unitsIn = strconv.Itoa(*e.UnitsIn)
		}
		t.Rows = append(t.Rows, []string{
			x.Name, strconv.FormatInt(x.Revision, 10), number(e.Share), number(e.Low), number(e.High),
			strconv.Itoa(e.Sampled), strconv.FormatUint(e.Evaluations, 10), strconv.Itoa(e.Units), unitsIn, e.Few,
		})
	}
	return t
}

// EstimateRequest asks how much a rule that is not stored would hold.
type EstimateRequest struct {
	Definition json.RawMessage `json:"definition"`
}

func (f *Flags) estimateCohort(c echo.Context) error {
	var in EstimateRequest
	if err := readJSON(c, &in); err != nil {
		return err
	}
	if len(in.Definition) == 0 {
		return respond.Bad("definition", "A targeting rule is required.")
	}
	e, err := f.o.Catalogue.TryCohort(c.Request().Context(), pathParam(c, "name"), in.Definition)
	if err != nil {
		return refuseDefinition(c, err)
	}
	return respond.JSON(c, http.StatusOK, viewEstimate(e))
}
