package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/flagset"
	"tidemark/web/respond"
)

// Flag is a flag in a list.
type Flag struct {
	Key         string            `json:"key"`
	Revision    int64             `json:"revision"`
	State       string            `json:"state"` // ENABLED or DISABLED
	Variants    []string          `json:"variants"`
	Default     *string           `json:"default_variant"` // null: the code's default
	Targeted    bool              `json:"targeted"`
	Cohorts     []string          `json:"cohorts"`
	Feature     string            `json:"feature,omitempty"`
	Rollout     *flags.Assignment `json:"rollout"` // that decides now; null when none does
	Actor       string            `json:"actor"`
	At          time.Time         `json:"at"`
	Evaluations int64             `json:"evaluations"` // in the span of the question
	Evaluated   *time.Time        `json:"last_evaluated_at"`
	Stale       string            `json:"stale,omitempty"` // why it seems to have served its time
}

func (f *Flags) listFlags(c echo.Context) error {
	q := f.api.readParams(c, "span")
	span := q.duration("span")
	if q.err != nil {
		return q.err
	}
	list, err := f.flags(c, spanOr(span))
	if err != nil {
		return err
	}
	if respond.WantsCSV(c) {
		return respond.CSV(c, flagTable(list))
	}
	return respond.JSON(c, http.StatusOK, page[Flag]{Items: list})
}

// spanOr is the span of usage that is asked for, or the default.
func spanOr(d time.Duration) time.Duration {
	if d == 0 {
		return flagset.DefaultStale
	}
	return d
}

func (f *Flags) flags(c echo.Context, span time.Duration) ([]Flag, error) {
	usages, err := f.o.Catalogue.Usages(c.Request().Context(), span)
	if err != nil {
		return nil, err
	}
	rollouts := map[string]flags.Assignment{}
	for _, a := range f.o.Catalogue.Assignments() {
		rollouts[a.Flag] = a
	}
	out := []Flag{}
	for _, v := range f.o.Catalogue.List(flags.KindFlag) {
		x := summary(&v)
		x.Cohorts = orEmpty(f.o.Catalogue.Cohorts(x.Key))
		if a, ok := rollouts[x.Key]; ok {
			x.Rollout = &a
		}
		if u := usages[x.Key]; u != nil {
			x.Evaluations, x.Stale = u.Count, u.Stale
			if !u.Last.IsZero() {
				x.Evaluated = &u.Last
			}
		}
		out = append(out, x)
	}
	return out, nil
}

func summary(v *flags.DocumentVersion) Flag {
	s := flagset.Summarise(v)
	return Flag{
		Key: v.ID.Name, Revision: v.Revision, State: s.State, Variants: s.Variants, Default: s.Default,
		Targeted: s.Targeted, Feature: v.Feature, Actor: v.Actor, At: v.At,
	}
}

func flagTable(list []Flag) respond.Table {
	t := respond.Table{Name: "flags", Header: []string{"key", "revision", "state", "variants", "default_variant", "cohorts", "feature", "rollout", "evaluations", "last_evaluated_at", "stale"}}
	for i := range list {
		x := &list[i]
		def, rollout, last := "", "", ""
		if x.Default != nil {
			def = *x.Default
		}
		if x.Rollout != nil {
			rollout = x.Rollout.Rollout
		}
		if x.Evaluated != nil {
			last = x.Evaluated.Format(time.RFC3339Nano)
		}
		t.Rows = append(t.Rows, []string{
			x.Key, strconv.FormatInt(x.Revision, 10), x.State, strings.Join(x.Variants, " "), def, strings.Join(x.Cohorts, " "),
			x.Feature, rollout, strconv.FormatInt(x.Evaluations, 10), last, x.Stale,
		})
	}
	return t
}

// getSet is the whole set in flagd's format, as a stock flagd takes it.
func (f *Flags) getSet(c echo.Context) error {
	if q := f.api.readParams(c); q.err != nil {
		return q.err
	}
	set := f.o.Catalogue.Set()
	etag := `"` + set.Hash() + `"`
	h := c.Response().Header()
	h.Set("ETag", etag)
	h.Set(echo.HeaderCacheControl, "no-cache")
	if c.Request().Header.Get("If-None-Match") == etag {
		return c.NoContent(http.StatusNotModified)
	}
	raw, err := set.Flagd()
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		return err
	}
	out.WriteByte('\n')
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, out.Bytes())
}
