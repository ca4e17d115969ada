package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags/flagset"
	"tidemark/web/respond"
)

// FlagUsage is how a flag was evaluated by this server.
type FlagUsage struct {
	Flag    string             `json:"flag"`
	From    time.Time          `json:"from"`
	Count   int64              `json:"evaluations"`
	Last    *time.Time         `json:"last_evaluated_at"` // null: not in this span
	Answers []flagset.Answer   `json:"answers"`
	Days    []flagset.DayCount `json:"days"`
	Stale   string             `json:"stale,omitempty"`
}

func (f *Flags) getUsage(c echo.Context) error {
	q := f.api.readParams(c, "span")
	span := q.duration("span")
	if q.err != nil {
		return q.err
	}
	u, err := f.o.Catalogue.Usage(c.Request().Context(), pathParam(c, "key"), spanOr(span))
	if err != nil {
		return err
	}
	if respond.WantsCSV(c) {
		t := respond.Table{Name: "usage-" + u.Flag, Header: []string{"variant", "reason", "evaluations", "last_evaluated_at"}}
		for _, a := range u.Answers {
			t.Rows = append(t.Rows, []string{a.Variant, a.Reason, strconv.FormatInt(a.Count, 10), a.Last.Format(time.RFC3339Nano)})
		}
		return respond.CSV(c, t)
	}
	out := FlagUsage{Flag: u.Flag, From: u.From, Count: u.Count, Answers: u.Answers, Days: u.Days, Stale: u.Stale}
	if !u.Last.IsZero() {
		out.Last = &u.Last
	}
	return respond.JSON(c, http.StatusOK, out)
}
