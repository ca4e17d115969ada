package guarantee

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/semver"

	"tidemark/flags"
	"tidemark/metrics"
)

// Bounds of durations. The widest window is what rollups are kept for.
const (
	minWindow   = time.Hour
	maxWindow   = 365 * flags.Day
	maxDeadline = 30 * flags.Day
	minSilence  = 5 * time.Second
	maxSilence  = 7 * flags.Day
	minReview   = flags.Day
	maxReview   = 730 * flags.Day
)

var (
	nameForm  = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	labelForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$`)
)

// checker collects problems by field.
type checker struct{ problems []Problem }

func (c *checker) problem(path, format string, args ...any) {
	c.problems = append(c.problems, Problem{Field: path, Message: fmt.Sprintf(format, args...)})
}

// Validate says everything that is wrong with a document that could be read. A
// document without problems can be encoded and parsed back to itself.
func Validate(d *flags.Document) []Problem {
	c := &checker{}
	switch {
	case d.Guarantee != nil:
		c.guarantee(d.Guarantee)
	case d.Route != nil:
		c.route(d.Route)
	default:
		c.problem("", "has no content")
	}
	return c.problems
}

func (c *checker) guarantee(g *flags.Guarantee) {
	c.head(g.Name, g.Labels, g.Version, g.Status, g.Feature)
	c.line("spec.owner", g.Owner, maxText, true)
	c.text("spec.story", g.Story, maxStory)
	c.line("spec.flag", g.Flag, maxText, false)
	if _, ok := flags.ParseModel(string(g.Model)); !ok {
		c.problem("spec.model", "%q is not a consistency model; allowed: %s", clip(string(g.Model)), list(flags.Models()))
	}
	c.oneOf("spec.mechanism", g.Mechanism, "", "event_stream", "cdc", "crdt", "replication", "cache")
	c.replicas(g.Replicas)
	c.objectives(g)
	c.conditions(g)
}

func (c *checker) conditions(g *flags.Guarantee) {
	if r := g.Reconciliation; r != nil {
		c.line("spec.reconciliation.rule", r.Rule, maxText, true)
		if r.Version < 1 || r.Version > math.MaxInt32 {
			c.problem("spec.reconciliation.version", "is %d; it must be at least 1", r.Version)
		}
	}
	if a := g.Acceptance; a != nil {
		if a.MinUnits < 0 || a.MinUnits > math.MaxInt32 {
			c.problem("spec.acceptance.min_units", "is %d; it must be from 0 to %d", a.MinUnits, math.MaxInt32)
		}
		c.between("spec.acceptance.bake", a.Bake, 0, maxWindow)
		if !(a.Margin >= 0 && a.Margin < 1) {
			c.problem("spec.acceptance.margin", "is %v; it must be a share from 0 to less than 1", a.Margin)
		}
	}
	if r := g.Rollback; r != nil {
		c.oneOf("spec.rollback.drain", r.Drain, "", "session", "immediate")
		c.oneOf("spec.rollback.deadline", r.Deadline, "", "hold", "revert")
	}
	if r := g.Review; r != nil {
		c.between("spec.review.every", r.Every, minReview, maxReview)
		c.line("spec.review.decision", r.Decision, maxText, false)
	}
}

func (c *checker) route(r *flags.Route) {
	c.head(r.Name, r.Labels, r.Version, r.Status, r.Feature)
	c.line("spec.owner", r.Owner, maxText, false)
	c.text("spec.description", r.Description, maxStory)
	if len(r.Replicas) == 0 {
		c.problem("spec.replicas", "is empty; a route names at least one replica")
	}
	c.replicas(r.Replicas)
}

func (c *checker) head(name string, labels map[string]string, version string, status flags.Status, feature string) {
	if len(name) > maxName || !nameForm.MatchString(name) {
		c.problem("metadata.name", "%q must be 1 to %d of a-z, 0-9 and '-', beginning and ending with a letter or digit", clip(name), maxName)
	}
	if len(labels) > maxLabels {
		c.problem("metadata.labels", "has %d entries; at most %d are allowed", len(labels), maxLabels)
	}
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		if len(k) > maxName || !labelForm.MatchString(k) {
			c.problem("metadata.labels."+k, "a label's name must be 1 to %d of letters, digits, '.', '_', '/' and '-', beginning and ending with a letter or digit", maxName)
		}
		c.line("metadata.labels."+k, labels[k], maxText, false)
	}
	if !validVersion(version) {
		c.problem("spec.version", "%q must be a full semantic version without build metadata, such as 2.1.0 or 2.1.0-rc.1", clip(version))
	}
	c.oneOf("spec.status", string(status), string(flags.StatusDraft), string(flags.StatusActive), string(flags.StatusDeprecated))
	c.line("spec.feature", feature, maxText, true)
}

func validVersion(v string) bool {
	s := "v" + v
	return len(v) <= maxName && semver.IsValid(s) && semver.Build(s) == "" && semver.Canonical(s) == s
}

func (c *checker) replicas(rs []flags.Replica) {
	if len(rs) > maxReplicas {
		c.problem("spec.replicas", "has %d entries; at most %d are allowed", len(rs), maxReplicas)
		return
	}
	seen := map[string]bool{}
	for i, r := range rs {
		path := fmt.Sprintf("spec.replicas[%d]", i)
		c.line(path+".name", r.Name, maxText, true)
		if seen[r.Name] {
			c.problem(path+".name", "%q is named twice; name each replica once", clip(r.Name))
		}
		seen[r.Name] = true
		if r.Silence != 0 {
			c.between(path+".silence", r.Silence, minSilence, maxSilence)
		}
	}
}

// line checks text of one line that can be shown and quoted.
func (c *checker) line(path, s string, limit int, required bool) {
	if required && s == "" {
		c.problem(path, "is empty")
	}
	c.chars(path, s, limit, func(r rune) bool { return unicode.IsControl(r) || !unicode.IsPrint(r) })
	if s != strings.TrimSpace(s) {
		c.problem(path, "begins or ends with white space")
	}
}

// text checks text that may have several lines.
func (c *checker) text(path, s string, limit int) {
	c.chars(path, s, limit, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) })
}

func (c *checker) chars(path, s string, limit int, bad func(rune) bool) {
	if n := utf8.RuneCountInString(s); n > limit {
		c.problem(path, "is %d characters long; at most %d are allowed", n, limit)
	}
	if i := strings.IndexFunc(s, bad); i >= 0 || !utf8.ValidString(s) {
		c.problem(path, "contains a character that cannot be shown")
	}
}

func (c *checker) oneOf(path, s string, allowed ...string) {
	if slices.Contains(allowed, s) {
		return
	}
	shown := slices.DeleteFunc(slices.Clone(allowed), func(a string) bool { return a == "" })
	c.problem(path, "%q is not allowed; allowed: %s", clip(s), strings.Join(shown, ", "))
}

func (c *checker) between(path string, d, low, high time.Duration) {
	if d < low || d > high {
		c.problem(path, "is %s; it must be from %s to %s", flags.FormatDuration(d), flags.FormatDuration(low), flags.FormatDuration(high))
	}
}

func (c *checker) objectives(g *flags.Guarantee) {
	if len(g.Objectives) == 0 || len(g.Objectives) > maxObjectives {
		c.problem("spec.objectives", "has %d entries; a guarantee has 1 to %d objectives", len(g.Objectives), maxObjectives)
	}
	seen := map[string]bool{}
	for i := range g.Objectives {
		o := &g.Objectives[i]
		path := fmt.Sprintf("spec.objectives[%d]", i)
		c.objective(path, o, g.Replicas)
		if seen[o.Key()] {
			c.problem(path, "measures the same as an objective before it (%s); give each once", o.Key())
		}
		seen[o.Key()] = true
	}
}

func (c *checker) objective(path string, o *flags.Objective, replicas []flags.Replica) {
	if !knownSLI(o.SLI) {
		c.problem(path+".sli", "%q is not an indicator; allowed: %s", clip(string(o.SLI)), list(flags.SLIs()))
		return
	}
	if want := defaultOp(o.SLI); o.Op != want {
		c.problem(path+".op", "%q is not allowed; for %s it must be %s", clip(string(o.Op)), o.SLI, want)
	}
	c.dimensions(path, o, replicas)
	if o.IsDuration() {
		c.deadline(path, o)
	} else {
		c.share(path, o)
	}
	if o.Counts() {
		c.between(path+".window", o.Window, minWindow, maxWindow)
	} else if o.Window != 0 {
		c.problem(path+".window", "is not allowed; backlog_age is about now")
	}
}

func (c *checker) deadline(path string, o *flags.Objective) {
	c.between(path+".value", time.Duration(o.Value), time.Millisecond, maxDeadline)
	switch {
	case !o.Counts() && o.Target != 0:
		c.problem(path+".target", "is not allowed; backlog_age has a limit and no share")
	case o.Counts() && !(o.Target > 0 && o.Target < 1):
		c.problem(path+".target", "is %v; it must be a share between 0 and 1, such as 0.999", o.Target)
	}
}

func (c *checker) share(path string, o *flags.Objective) {
	if o.Target != 0 {
		c.problem(path+".target", "is not allowed; for %s the value is itself the share", o.SLI)
	}
	if o.Op == flags.OpGTE && !(o.Value > 0 && o.Value <= 1) {
		c.problem(path+".value", "is %v; it must be a share of more than 0 and at most 1", o.Value)
	}
	if o.Op == flags.OpLTE && !(o.Value >= 0 && o.Value < 1) {
		c.problem(path+".value", "is %v; it must be a share from 0 to less than 1", o.Value)
	}
}

// dimensions checks the fields that only some indicators have.
func (c *checker) dimensions(path string, o *flags.Objective, replicas []flags.Replica) {
	switch o.SLI {
	case flags.SLITimeToVisibility:
		c.oneOf(path+".scope", o.Scope, metrics.ScopeAll, metrics.ScopeFirst, metrics.ScopeReplica)
	case flags.SLIBacklogAge:
		c.oneOf(path+".scope", o.Scope, metrics.ScopeAll, metrics.ScopeReplica)
	default:
		c.absent(path+".scope", o.Scope, o.SLI)
	}
	c.replicaScope(path, o, replicas)
	if o.SLI == flags.SLIViolationRate {
		c.oneOf(path+".of", o.Of, "ryw", "mr", "mw", "wfr")
	} else {
		c.absent(path+".of", o.Of, o.SLI)
	}
	if o.SLI == flags.SLIConvergence {
		c.between(path+".within", o.Within, time.Millisecond, maxDeadline)
	} else if o.Within != 0 {
		c.absent(path+".within", flags.FormatDuration(o.Within), o.SLI)
	}
}

func (c *checker) replicaScope(path string, o *flags.Objective, replicas []flags.Replica) {
	if o.Scope != metrics.ScopeReplica {
		if o.Replica != "" {
			c.problem(path+".replica", "is only allowed with scope: replica")
		}
		return
	}
	c.line(path+".replica", o.Replica, maxText, true)
	known := slices.ContainsFunc(replicas, func(r flags.Replica) bool { return r.Name == o.Replica })
	if len(replicas) > 0 && o.Replica != "" && !known {
		c.problem(path+".replica", "%q is not one of spec.replicas", clip(o.Replica))
	}
}

func (c *checker) absent(path, value string, sli flags.SLI) {
	if value != "" {
		c.problem(path, "is not allowed for %s", sli)
	}
}
