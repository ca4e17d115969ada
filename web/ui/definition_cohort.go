package ui

import (
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/eval"
	"tidemark/flags/flagset"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
)

// revisionText is a revision for a form: digits alone.
func revisionText(n int64) string { return strconv.FormatInt(n, 10) }

func (u *UI) listCohorts(m *page.Definitions, q string) error {
	estimates, err := u.o.Flags.Estimates()
	if err != nil {
		return err
	}
	m.List = page.Section{ID: "cohorts", Title: "Cohorts", Get: part.Downloads{CSV: "/api/v1/cohorts?format=csv", JSON: "/api/v1/cohorts"}}
	m.List.Table = part.Table{Caption: "Cohorts", Steps: true, Columns: []part.Column{
		{Head: "Cohort"}, {Head: "Share of traffic", Num: true}, {Head: "Sample", Num: true}, {Head: "Used by flags"}, {Head: "Used by cohorts"}, {Head: "Changed"},
	}}
	all := u.o.Flags.List(flags.KindCohort)
	for _, v := range all {
		if !holds(v.ID.Name, q) {
			continue
		}
		inFlags, inCohorts := u.o.Flags.Uses(v.ID.Name)
		e := estimates[v.ID.Name]
		m.List.Table.Rows = append(m.List.Table.Rows, part.Row{Cells: []part.Cell{
			part.To(v.ID.Name, cohortPages.of(v.ID.Name)), cell(cohortShare(e)), cell(cohortSample(e)), tags(inFlags), tags(inCohorts), part.When(v.At),
		}})
	}
	m.Head = part.Head{Answer: "No cohort is defined."}
	if len(all) > 0 {
		m.Head = part.Head{Tone: part.Good, Answer: format.Plural(int64(len(all)), "cohort is", "cohorts are") + " defined.", Sub: "Shares are of the recent evaluations, from a uniform sample of their contexts."}
	}
	m.List.None = part.Empty{Title: "No cohort here", Text: "A cohort is a named rule about the context, such as a country or a plan, that flags and rollouts refer to. Create one below."}
	return nil
}

// cohortShare is the estimate with its interval.
func cohortShare(e *flagset.Estimate) part.Value {
	switch {
	case e == nil, e.Share == nil && e.Few == "":
		return part.Value{Under: "no traffic yet"}
	case e.Share == nil:
		return part.Value{Under: e.Few}
	}
	v := part.Value{Text: format.Share(*e.Share)}
	if e.Low != nil && e.High != nil {
		v.Under = format.Share(*e.Low) + " to " + format.Share(*e.High)
	}
	return v
}

func cohortSample(e *flagset.Estimate) part.Value {
	if e == nil {
		return part.Value{}
	}
	return part.Value{Text: format.Short(int64(e.Sampled)), Under: "of " + format.Short(int64(e.Seen))}
}

// fillCohort fills what is particular to a cohort's page.
func (u *UI) fillCohort(c echo.Context, m *page.Definition, cur *flags.DocumentVersion) error {
	name := cur.ID.Name
	inFlags, inCohorts := u.o.Flags.Uses(name)
	m.Head = part.Head{Crumbs: []part.Crumb{{Text: "Cohorts", URL: cohortPages.url}, {Text: name}}, Answer: name + " was deleted.", Sub: "Open a revision below to restore it."}
	m.About = []page.Pair{
		{Name: "Used by flags", Cell: part.Text(orElse(strings.Join(inFlags, ", "), "none"))},
		{Name: "Used by cohorts", Cell: part.Text(orElse(strings.Join(inCohorts, ", "), "none"))},
		{Name: "Changed", Cell: part.When(cur.At)},
		{Name: "By", Cell: actorCell(cur.Actor)},
	}
	m.Usage = page.Section{ID: "usage", Title: "Whom it holds", About: "From a uniform sample of the contexts of recent evaluations."}
	m.Usage.None = part.Empty{Title: "Not known yet", Text: "Nothing was evaluated since the server started."}
	if gone(cur) {
		return u.fillPlay(c, &cohortPages, m, name, func(eval.Context, time.Time) (*eval.Explanation, error) { return nil, nil })
	}
	estimates, err := u.o.Flags.Estimates()
	if err != nil {
		return err
	}
	e := estimates[name]
	m.Head.Answer, m.Head.Sub = "How much of the traffic "+name+" holds is not known yet.", "Nothing was evaluated since the server started."
	m.Head.Facts = []string{"revision " + format.Count(cur.Revision)}
	if e != nil && e.Few != "" {
		m.Head.Answer = "How much of the traffic " + name + " holds is not told: " + e.Few + "."
		m.Head.Sub = "Numbers of few would tell of single units."
		m.Usage.None = part.Empty{Title: "Not told", Text: "Shares are told when at least " + strconv.Itoa(flagset.FewUnits) + " units match and as many do not: " + e.Few + "."}
	}
	if e != nil && e.Share != nil {
		m.Head.Tone = part.Good
		m.Head.Answer, m.Head.Sub = name+" holds "+format.Share(*e.Share)+" of the recent traffic.", ""
		m.Usage.Table = part.Table{Caption: "Estimate", Tight: true, Columns: []part.Column{{Head: "Of"}, {Head: "Share", Num: true}, {Head: "Sample", Num: true}}}
		m.Usage.Table.Rows = []part.Row{
			{Cells: []part.Cell{part.Text("evaluations"), cell(cohortShare(e)), cell(cohortSample(e))}},
			{Cells: []part.Cell{part.Text("units"), cell(part.Percent(int64(e.UnitsIn), int64(e.Units), "units")), cell(number(int64(e.Units)))}},
		}
	}
	return u.fillPlay(c, &cohortPages, m, name, func(ctx eval.Context, now time.Time) (*eval.Explanation, error) {
		x, err := u.o.Flags.TryIn(name, ctx, now)
		if err != nil {
			return nil, err
		}
		m.Play.Answer, m.Play.Status = "This context is outside.", part.Status{Tone: part.Neutral, Text: "Outside"}
		if in, _ := x.Result.Value.(bool); in {
			m.Play.Answer, m.Play.Status = "This context is in "+name+".", part.Status{Tone: part.Good, Text: "Inside"}
		}
		return x, nil
	})
}
