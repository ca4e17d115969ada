package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"tidemark/flags"
	"tidemark/flags/rollout"
	"tidemark/views/format"
)

func printRollouts(e *env, all []flags.Rollout) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(e.stderr, "No rollout is under way or being prepared; --all also lists those that have ended.")
		return err
	}
	w := tabwriter.NewWriter(plain{e.stdout}, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tTITLE\tFLAG\tSTATE\tSTEP\tSHARE\tDECISION")
	for i := range all {
		r := &all[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.Title, r.Plan.Flag, r.State, stepOf(r), share(r.Percent), r.Decision.Why)
	}
	return w.Flush()
}

// share writes hundredths of a percent.
func share(p flags.Percent) string { return strconv.FormatFloat(float64(p)/100, 'f', -1, 64) + "%" }

func stepOf(r *flags.Rollout) string {
	if r.Step < 0 {
		return "–"
	}
	return fmt.Sprintf("%d of %d", r.Step+1, len(r.Plan.Steps))
}

func printRollout(w io.Writer, r *flags.Rollout, now time.Time) error {
	var b strings.Builder
	p := &r.Plan
	fmt.Fprintf(&b, "%s  %s\n", r.ID, r.Title)
	fmt.Fprintf(&b, "%s, step %s: %s of the cohort get %s rather than %s of flag %s (feature %s).\n",
		r.State, stepOf(r), share(r.Percent), p.Candidate, p.Control, p.Flag, p.Feature)
	if r.Phase != "" {
		fmt.Fprintf(&b, "Phase %s.\n", r.Phase)
	}
	fmt.Fprintf(&b, "Revision %d, begun by %s %s ago.\n", r.Revision, r.CreatedBy, since(now, r.CreatedAt))
	if missing := p.Approvals - len(r.Approvals); missing > 0 && !r.State.Final() {
		fmt.Fprintf(&b, "It needs %d more of %d approvals, of people who wrote none of it; they give it on the page of the rollout.\n", missing, p.Approvals)
	}
	if r.DrainsUntil.After(now) {
		fmt.Fprintf(&b, "Sessions that are pinned keep %s until %s at the latest.\n", p.Candidate, r.DrainsUntil.UTC().Format("2006-01-02 15:04 UTC"))
	}
	printDecision(&b, &r.Decision)
	_, err := io.WriteString(w, b.String())
	return err
}

func since(now, then time.Time) string { return now.Sub(then).Round(time.Second).String() }

func printDecision(b *strings.Builder, d *flags.Decision) {
	if d.Why == "" {
		return
	}
	fmt.Fprintf(b, "\n%s: %s\n", d.Verb, d.Why)
	if d.NeedUnits > 0 {
		fmt.Fprintf(b, "Units: candidate %d, control %d; %d of each are needed. Coverage %.0f%%: that share of the flag's writes names its unit.\n",
			d.CandidateUnits, d.ControlUnits, d.NeedUnits, 100*d.Coverage)
	}
	if d.Bake > 0 {
		fmt.Fprintf(b, "Baked %s of %s.\n", d.Baked.Round(time.Second), d.Bake)
	}
	if len(d.Checks) == 0 {
		return
	}
	b.WriteByte('\n')
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "GUARDRAIL\tSAYS\tCANDIDATE\tCONTROL\tDIFFERENCE\tMARGIN\tUNITS\tWHY")
	for i := range d.Checks {
		c := &d.Checks[i]
		seconds := c.Guardrail.Metric.InSeconds()
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", c.Guardrail.Metric, c.Outcome,
			figure(format.Measure, c.Candidate, seconds), figure(format.Measure, c.Control, seconds),
			difference(c, seconds), format.Change(c.Guardrail.Margin, seconds), c.Samples, c.Why)
	}
	_ = t.Flush() // a Builder takes everything
}

// figure writes a number that may not be known.
func figure(write func(v float64, seconds bool) string, v *float64, seconds bool) string {
	if v == nil {
		return format.Unknown
	}
	return write(*v, seconds)
}

func difference(c *flags.Check, seconds bool) string {
	d := figure(format.Change, c.Difference, seconds)
	if c.Lower == nil && c.Upper == nil {
		return d
	}
	return fmt.Sprintf("%s (%s to %s)", d, figure(format.Change, c.Lower, seconds), figure(format.Change, c.Upper, seconds))
}

func printHistory(w io.Writer, all []flags.Transition) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "REVISION\tAT\tBY\tACTION\tSTATE\tSHARE\tREASON")
	for i := range all {
		h := &all[i]
		state := string(h.To)
		if h.From != "" && h.From != h.To {
			state = string(h.From) + " → " + string(h.To)
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", h.Revision, h.At.UTC().Format(time.RFC3339), h.Actor, h.Action, state, share(h.Percent), h.Reason)
	}
	return t.Flush()
}

func printPreview(w io.Writer, p *rollout.Preview) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of flag %s goes to units that would get %s.\n", p.Plan.Candidate, p.Plan.Flag, p.Plan.Control)
	if p.CohortShare != nil {
		fmt.Fprintf(&b, "The cohort holds %.1f%% of the recent evaluations.\n", 100**p.CohortShare)
	}
	if p.HeldBy != "" {
		fmt.Fprintf(&b, "Rollout %s holds the flag now: this one cannot start before it ends.\n", p.HeldBy)
	}
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "STEP\tSHARE\tCANDIDATE\tCONTROL\tREST\tUNITS OF EACH\tBAKE\tTAKES AT LEAST")
	for i := range p.Steps {
		s := &p.Steps[i]
		fmt.Fprintf(t, "%d\t%s\t%.1f%%\t%.1f%%\t%.1f%%\t%d\t%s\t%s\n", s.Step+1, share(s.Percent), 100*s.Candidate, 100*s.Control, 100*s.Rest,
			s.MinUnits, s.Bake, atLeast(s.Takes))
	}
	_ = t.Flush() // a Builder takes everything
	fmt.Fprintf(&b, "In all: %s.\n", atLeast(p.Takes))
	for _, n := range p.Notes {
		fmt.Fprintf(&b, "- %s\n", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func atLeast(d *time.Duration) string {
	if d == nil {
		return "not known without traffic"
	}
	return d.Round(time.Second).String()
}
