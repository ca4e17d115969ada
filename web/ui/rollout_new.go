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
	"tidemark/flags/rollout"
	"tidemark/views/format"
	"tidemark/views/page"
	"tidemark/views/part"
	"tidemark/web/auth"
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
		return err
	}
	f := &planForm{v: v}
	p := f.plan()
	whole, err := u.checkPlan(ctx, f, p)
	if err != nil {
		return err
	}
	bad := len(f.wrong)+len(f.unplaced) > 0
	if v.Get("do") != "create" || bad {
		status := 0
		if bad {
			status = http.StatusBadRequest
		}
		var pre *page.RolloutPreview
		if !bad {
			if pre, err = u.preview(ctx, &whole); err != nil {
				return err
			}
		}
		return u.showRolloutForm(c, f, pre, status)
	}
	// The plan is stored as it was written: what it leaves out follows the promise.
	r, err := u.o.Rollouts.Create(ctx, RolloutDraft{Title: f.get("title"), Plan: p, Actor: auth.Who(c).Actor(), Reason: f.get("reason")})
	switch {
	case f.blame(err):
		return u.showRolloutForm(c, f, nil, http.StatusBadRequest)
	case errors.Is(err, flags.ErrRefused), errors.Is(err, flags.ErrInvalid):
		f.unplaced = append(f.unplaced, err.Error())
		return u.showRolloutForm(c, f, nil, http.StatusUnprocessableEntity)
	case err != nil:
		return err
	}
	return c.Redirect(http.StatusSeeOther, rolloutURL(r.ID))
}

// checkPlan completes a plan and notes what is wrong beside the fields.
func (u *UI) checkPlan(ctx context.Context, f *planForm, p flags.Plan) (flags.Plan, error) {
	g, err := u.promiseOf(ctx, &p)
	if err != nil {
		return p, err
	}
	if g == nil && p.Guarantee != "" {
		f.fail("guarantee", "No guarantee “"+short(p.Guarantee)+"” is known.")
	}
	info, err := u.flagInfo(ctx, p.Flag)
	if err != nil {
		return p, err
	}
	if info == nil && p.Flag != "" {
		f.fail("flag", "No flag “"+short(p.Flag)+"” is known. Make it first, with a variant for each side.")
	}
	p = rollout.Complete(p, g)
	f.blame(flags.AsProblems(rollout.Validate(&p, info)))
	if reason := f.get("reason"); len(reason) > maxReason {
		f.fail("reason", wrongReason(reason))
	}
	return p, nil
}

// promiseOf is the guarantee that a plan is bound to: the one that it names, else the
// active one of its feature; nil when there is none.
func (u *UI) promiseOf(ctx context.Context, p *flags.Plan) (*flags.Guarantee, error) {
	docs, err := u.o.Catalogue.Current(ctx)
	if err != nil {
		return nil, err
	}
	for i := range docs {
		g := docs[i].Document.Guarantee
		if g == nil {
			continue
		}
		if p.Guarantee == g.Name || (p.Guarantee == "" && g.Feature == p.Feature && g.Status == flags.StatusActive) {
			return g, nil
		}
	}
	return nil, nil //nolint:nilnil // No promise is an answer: the defaults hold then.
}

// flagInfo is what a plan must fit to; nil when there is no such flag.
func (u *UI) flagInfo(ctx context.Context, key string) (*rollout.FlagInfo, error) {
	if key == "" {
		return nil, nil //nolint:nilnil // No flag was named.
	}
	d, err := u.o.Documents.Document(ctx, flags.DocumentID{Kind: flags.KindFlag, Name: key})
	if errors.Is(err, flags.ErrNotFound) {
		return nil, nil //nolint:nilnil // The form says so beside its field.
	}
	if err != nil {
		return nil, err
	}
	return readFlag(&d), nil
}

func readFlag(d *flags.DocumentVersion) *rollout.FlagInfo {
	var def struct {
		State    string                     `json:"state"`
		Variants map[string]json.RawMessage `json:"variants"`
		Default  *string                    `json:"defaultVariant"`
	}
	if json.Unmarshal(d.Content, &def) != nil {
		return nil
	}
	out := &rollout.FlagInfo{Key: d.ID.Name, Variants: slices.Sorted(maps.Keys(def.Variants)), Disabled: def.State == "DISABLED"}
	if def.Default != nil {
		out.Default = *def.Default
	}
	return out
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
	case len(f.wrong)+len(f.unplaced) > 0:
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
			out.flags = append(out.flags, o)
			for _, v := range variantsOf(d) {
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

func variantsOf(d *flags.DocumentVersion) []string {
	if info := readFlag(d); info != nil {
		return info.Variants
	}
	return nil
}
