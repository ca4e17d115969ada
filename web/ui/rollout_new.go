package ui

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/rollout"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// newRollout is the empty form; what the address names is filled in.
func (u *UI) newRollout(c echo.Context) error {
	f := &planForm{v: url.Values{}}
	for i, s := range rollout.DefaultSteps() {
		f.v.Set(stepField(i, "percent"), strconv.FormatFloat(float64(s.Percent)/100, 'f', -1, 64))
		f.v.Set(stepField(i, "bake"), flags.FormatDuration(time.Duration(s.Bake)))
		f.v.Set(stepField(i, "units"), strconv.FormatInt(s.MinUnits, 10))
	}
	f.v.Set("on_deadline", string(flags.DeadlineHold))
	f.v.Set("no_data_after", flags.FormatDuration(rollout.DefaultNoData))
	f.v.Set("pin_for", flags.FormatDuration(rollout.DefaultPin))
	for _, name := range []string{"flag", "feature", "candidate", "control"} {
		f.v.Set(name, c.QueryParam(name))
	}
	return u.showRolloutForm(c, f, nil, 0)
}

// createRollout shows what the plan would do, or stores it as a draft.
func (u *UI) createRollout(c echo.Context) error {
	ctx := c.Request().Context()
	v, err := c.FormParams()
	if err != nil {
		return respond.Bad("form", "The form cannot be read: %s.", err)
	}
	f := &planForm{v: v}
	d := rollout.Draft{Title: f.get("title"), Plan: f.plan()}
	by := flags.Author{Actor: auth.Who(c).Actor(), Reason: f.get("reason")}
	if err := by.Check(false); err != nil {
		f.fail("reason", saidBy(err))
	}
	control := auth.Who(c).May(access.Control)
	if !control {
		f.blame(rollout.CheckOwnersCohort(d.Plan.Cohort))
	}
	pre, err := u.o.Rollouts.Preview(ctx, d, control)
	if err != nil && !f.blame(err) {
		return err
	}
	if f.bad() {
		return u.showRolloutForm(c, f, nil, http.StatusBadRequest)
	}
	if v.Get("do") != "create" {
		return u.showRolloutForm(c, f, preview(pre), 0)
	}
	r, err := u.o.Rollouts.Create(ctx, d, by)
	switch {
	case f.blame(err):
		return u.showRolloutForm(c, f, nil, http.StatusBadRequest)
	case errors.Is(err, flags.ErrRefused), errors.Is(err, flags.ErrInvalid):
		f.unplaced = append(f.unplaced, saidBy(err))
		return u.showRolloutForm(c, f, nil, http.StatusUnprocessableEntity)
	case err != nil:
		return err
	}
	return c.Redirect(http.StatusSeeOther, rolloutURL(r.ID))
}

func (u *UI) showRolloutForm(c echo.Context, f *planForm, pre *page.RolloutPreview, status int) error {
	ctx := c.Request().Context()
	m := page.RolloutForm{Action: "/rollouts/new", Preview: pre, Notices: f.notices()}
	m.Head = part.Head{
		Crumbs: []part.Crumb{{Text: "Rollouts", URL: "/rollouts"}, {Text: "New"}},
		Answer: "What should reach whom, how fast, and what must stay true?",
		Sub:    "This makes a draft. Nobody gets anything before it is started.",
	}
	switch {
	case f.bad():
		m.Head.Tone = part.Bad
		n := int64(len(f.wrong) + len(f.unplaced))
		m.Head.Answer = format.Plural(n, "thing is", "things are") + " wrong with this plan; nothing was stored."
	case pre != nil:
		m.Head.Tone, m.Head.Answer = part.Good, "This plan can be drafted: here is what it would do."
	}
	known, err := u.formChoices(ctx)
	if err != nil {
		return err
	}
	known.rules = auth.Who(c).May(access.Control)
	f.fill(&m, known)
	return u.show(c, view{title: "New rollout", current: "/rollouts", status: status, body: page.ShowRolloutForm(m)})
}

// notices are what is wrong and belongs to no field.
func (f *planForm) notices() []part.Notice {
	var out []part.Notice
	for _, text := range f.unplaced {
		out = append(out, part.Notice{Tone: part.Bad, Text: "Not possible:", More: text})
	}
	return out
}

// choices are what a form suggests.
type choices struct {
	flags, variants, features, guarantees, cohorts []page.Option
	rules                                          bool // whether a cohort may be a rule of its own
}

func (u *UI) formChoices(ctx context.Context) (*choices, error) {
	docs, err := u.o.Documents.Documents(ctx)
	if err != nil {
		return nil, err
	}
	out := &choices{}
	seen := map[string]bool{}
	for i := range docs {
		d := &docs[i]
		o := page.Option{Value: d.ID.Name, Text: d.ID.Name}
		switch d.ID.Kind {
		case flags.KindFlag:
			variants := variantsOf(d)
			if len(variants) > 0 {
				out.flags = append(out.flags, o)
			}
			for _, v := range variants {
				if !seen[v] {
					seen[v] = true
					out.variants = append(out.variants, page.Option{Value: v, Text: v + " of " + d.ID.Name})
				}
			}
		case flags.KindCohort:
			out.cohorts = append(out.cohorts, o)
		case flags.KindGuarantee:
			out.guarantees = append(out.guarantees, o)
		}
	}
	for _, name := range u.o.Reader.Features() {
		out.features = append(out.features, page.Option{Value: name, Text: name})
	}
	return out, nil
}

// variantsOf are the names of a flag's variants; none for a flag that was deleted.
func variantsOf(d *flags.DocumentVersion) []string {
	var def struct {
		Variants map[string]json.RawMessage `json:"variants"`
	}
	if json.Unmarshal(d.Content, &def) != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(def.Variants))
}
