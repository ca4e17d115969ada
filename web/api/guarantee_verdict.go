package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/guarantee"
	"tidemark/web/respond"
)

// Guarantee is a promise with what is said of it now. Result is null when the
// promise is not in force or was not judged yet.
type Guarantee struct {
	Document
	Owner  string            `json:"owner"`
	Model  flags.Model       `json:"model"`
	Story  string            `json:"story,omitempty"`
	Result *guarantee.Result `json:"result"`
}

// Guarantees is every promise, and the answer to whether they are kept.
type Guarantees struct {
	Answer string      `json:"answer"`
	At     *time.Time  `json:"at"` // of the evaluation; null before the first
	Error  string      `json:"error,omitempty"`
	Items  []Guarantee `json:"items"`
}

func viewGuarantee(s *guarantee.Stored, snap *guarantee.Snapshot) Guarantee {
	g := s.Document.Guarantee
	v := Guarantee{Document: viewDocument(&s.DocumentVersion), Owner: g.Owner, Model: g.Model, Story: g.Story}
	if r, ok := snap.Guarantee(g.Name); ok && r.Revision == s.Revision {
		v.Result = r
	}
	return v
}

func (p *Promises) listGuarantees(c echo.Context) error {
	docs, err := p.o.Catalogue.InForce(c.Request().Context())
	if err != nil {
		return err
	}
	snap := p.o.Verdicts()
	out := Guarantees{Answer: snap.Answer(), Error: snap.Error, Items: []Guarantee{}}
	if !snap.At.IsZero() {
		out.At = &snap.At
	}
	for i := range docs {
		if docs[i].Document.Guarantee != nil {
			out.Items = append(out.Items, viewGuarantee(&docs[i], snap))
		}
	}
	if respond.WantsCSV(c) {
		return respond.CSV(c, guaranteeTable(out.Items))
	}
	return respond.JSON(c, http.StatusOK, out)
}

// guaranteeTable has a row for each objective.
func guaranteeTable(items []Guarantee) respond.Table {
	t := respond.Table{Name: "guarantees", Header: []string{
		"guarantee", "feature", "version", "status", "owner", "model", "verdict", "objective", "objective_verdict", "good", "eligible", "goal", "attainment", "budget_left", "why",
	}}
	for i := range items {
		g := &items[i]
		head := []string{g.Name, g.Feature, g.Version, string(g.Status), g.Owner, string(g.Model)}
		if g.Result == nil {
			t.Rows = append(t.Rows, append(head, "", "", "", "", "", "", "", "", ""))
			continue
		}
		for _, o := range g.Result.Objectives {
			row := append(append([]string{}, head...), string(g.Result.Verdict), o.Key, string(o.Verdict))
			t.Rows = append(t.Rows, append(row, strconv.FormatInt(o.Good, 10), strconv.FormatInt(o.Eligible, 10),
				floatText(&o.Goal), floatText(o.Attainment), floatText(o.BudgetLeft), o.Why))
		}
	}
	return t
}

func floatText(v *float64) string {
	if v == nil {
		return ""
	}
	return strconv.FormatFloat(*v, 'g', -1, 64)
}

// GuaranteeDetail is a promise with its reviews and when the next one is due.
type GuaranteeDetail struct {
	Guarantee
	Reviews []Review             `json:"reviews"` // newest first
	Due     *guarantee.ReviewDue `json:"review_due"`
}

func (p *Promises) guarantee(c echo.Context) (guarantee.Stored, error) {
	return p.o.Catalogue.GetInForce(c.Request().Context(), flags.DocumentID{Kind: flags.KindGuarantee, Name: pathParam(c, "name")})
}

func (p *Promises) getGuarantee(c echo.Context) error {
	s, err := p.guarantee(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	reviews, err := p.o.Catalogue.Reviews(ctx, s.ID)
	if err != nil {
		return err
	}
	due, err := p.o.Catalogue.ReviewsDue(ctx)
	if err != nil {
		return err
	}
	out := GuaranteeDetail{Guarantee: viewGuarantee(&s, p.o.Verdicts()), Reviews: []Review{}}
	for i := range reviews {
		out.Reviews = append(out.Reviews, viewReview(&reviews[i]))
	}
	for i := range due {
		if due[i].Name == s.ID.Name {
			out.Due = &due[i]
		}
	}
	return respond.JSON(c, http.StatusOK, out)
}

// Attainment is how far an objective had got by the end of a UTC day.
type Attainment struct {
	Objective string  `json:"objective"`
	Day       string  `json:"day"`
	Version   string  `json:"version"`
	Good      int64   `json:"good"`
	Eligible  int64   `json:"eligible"`
	Goal      float64 `json:"goal"`
	Verdict   string  `json:"verdict"`
}

func (p *Promises) getAttainment(c echo.Context) error {
	q := p.api.readParams(c, "days")
	days := q.int("days", 1, 400)
	if q.err != nil {
		return q.err
	}
	if days == 0 {
		days = 90
	}
	s, err := p.guarantee(c)
	if err != nil {
		return err
	}
	from := p.api.o.Now().UTC().AddDate(0, 0, 1-days).Format(time.DateOnly)
	points, err := p.o.Store.Attainment(c.Request().Context(), s.ID.Name, from)
	if err != nil {
		return err
	}
	items := make([]Attainment, len(points))
	for i, a := range points {
		items[i] = Attainment{a.Objective, a.Day, a.Version, a.Good, a.Eligible, a.Goal, a.Verdict}
	}
	if respond.WantsCSV(c) {
		t := respond.Table{Name: s.ID.Name + "-attainment", Header: []string{"objective", "day", "version", "good", "eligible", "goal", "verdict"}}
		for _, a := range items {
			t.Rows = append(t.Rows, []string{a.Objective, a.Day, a.Version, strconv.FormatInt(a.Good, 10), strconv.FormatInt(a.Eligible, 10), floatText(&a.Goal), a.Verdict})
		}
		return respond.CSV(c, t)
	}
	return respond.JSON(c, http.StatusOK, page[Attainment]{Items: items})
}

func (p *Promises) getOpenSLO(c echo.Context) error {
	s, err := p.guarantee(c)
	if err != nil {
		return err
	}
	return sendYAML(c, guarantee.OpenSLO(s.Document.Guarantee))
}

func (p *Promises) listReviewsDue(c echo.Context) error {
	due, err := p.o.Catalogue.ReviewsDue(c.Request().Context())
	if err != nil {
		return err
	}
	if respond.WantsCSV(c) {
		t := respond.Table{Name: "reviews", Header: []string{"guarantee", "feature", "owner", "every", "last", "due", "overdue"}}
		for _, d := range due {
			t.Rows = append(t.Rows, []string{d.Name, d.Feature, d.Owner, d.Every, d.Last.Format(time.RFC3339), d.Due.Format(time.RFC3339), strconv.FormatBool(d.Overdue)})
		}
		return respond.CSV(c, t)
	}
	return respond.JSON(c, http.StatusOK, page[guarantee.ReviewDue]{Items: due})
}
