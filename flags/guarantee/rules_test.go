package guarantee

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tidemark/flags"
	"tidemark/metrics"
)

// genDocument draws a valid document from few names and few values, so that
// comparisons meet.
func genDocument(t *rapid.T, name string) *flags.Document {
	if rapid.IntRange(0, 4).Draw(t, name+".kind") == 0 {
		return &flags.Document{Kind: flags.KindRoute, Route: &flags.Route{
			Name: "x", Version: genVersion(t, name), Status: genStatus(t, name), Feature: genFeature(t, name),
			Owner: genText(t, name+".owner"), Description: genText(t, name+".description"), Replicas: genReplicas(t, name, 1),
		}}
	}
	g := &flags.Guarantee{
		Name: "x", Version: genVersion(t, name), Status: genStatus(t, name), Feature: genFeature(t, name),
		Owner: "o" + genText(t, name+".owner"), Story: genText(t, name+".story"), Flag: genText(t, name+".flag"),
		Model: rapid.SampledFrom(flags.Models()).Draw(t, name+".model"), Replicas: genReplicas(t, name, 0),
		Mechanism: rapid.SampledFrom([]string{"", "cdc", "crdt"}).Draw(t, name+".mechanism"),
	}
	if rapid.Bool().Draw(t, name+".labelled") {
		g.Labels = map[string]string{"a.b/c": genText(t, name+".label"), "true": "null"}
	}
	genConditions(t, name, g)
	seen := map[string]bool{}
	for i := range rapid.IntRange(1, 4).Draw(t, name+".objectives") {
		if o := genObjective(t, fmt.Sprintf("%s.%d", name, i), g.Replicas); !seen[o.Key()] {
			seen[o.Key()] = true
			g.Objectives = append(g.Objectives, o)
		}
	}
	return &flags.Document{Kind: flags.KindGuarantee, Guarantee: g}
}

func genConditions(t *rapid.T, name string, g *flags.Guarantee) {
	if rapid.Bool().Draw(t, name+".reconciled") {
		g.Reconciliation = &flags.Reconciliation{Rule: "lww", Version: rapid.IntRange(1, 3).Draw(t, name+".rule")}
	}
	if rapid.Bool().Draw(t, name+".accepted") {
		g.Acceptance = &flags.Acceptance{MinUnits: rapid.IntRange(0, 9).Draw(t, name+".units"), Margin: rapid.Float64Range(0, 0.9).Draw(t, name+".margin")}
	}
	if rapid.Bool().Draw(t, name+".rolled") {
		g.Rollback = &flags.Rollback{Drain: rapid.SampledFrom([]string{"", "session"}).Draw(t, name+".drain")}
	}
	if rapid.Bool().Draw(t, name+".reviewed") {
		g.Review = &flags.Review{Every: flags.Day * time.Duration(rapid.IntRange(1, 9).Draw(t, name+".every"))}
	}
}

func genText(t *rapid.T, name string) string {
	return rapid.SampledFrom([]string{"", "plain", "no", "1.5", "a: b #c", `q"\u`, "ümläut 😀", "- x", "[y", "a'b", "2s", "{}", "~", "&a", "*a", "!x", "%z", "@q", "a\\b"}).Draw(t, name)
}

func genVersion(t *rapid.T, name string) string {
	return fmt.Sprintf("%d.%d.0", rapid.IntRange(0, 2).Draw(t, name+".major"), rapid.IntRange(0, 2).Draw(t, name+".minor"))
}

func genStatus(t *rapid.T, name string) flags.Status {
	return rapid.SampledFrom([]flags.Status{flags.StatusActive, flags.StatusActive, flags.StatusActive, flags.StatusDraft, flags.StatusDeprecated}).Draw(t, name+".status")
}

func genFeature(t *rapid.T, name string) string {
	return rapid.SampledFrom([]string{"f", "f", "f", "g"}).Draw(t, name+".feature")
}

func genReplicas(t *rapid.T, name string, least int) []flags.Replica {
	var out []flags.Replica
	names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "on"}), least, 3, rapid.ID).Draw(t, name+".replicas")
	for _, n := range names {
		out = append(out, flags.Replica{
			Name: n, Kind: rapid.SampledFrom([]metrics.ReplicaKind{metrics.StateBased, metrics.OperationBased}).Draw(t, name+".kind"+n),
			Silence: rapid.SampledFrom([]time.Duration{0, time.Minute}).Draw(t, name+".silence"+n),
		})
	}
	return out
}

func genObjective(t *rapid.T, name string, replicas []flags.Replica) flags.Objective {
	o := flags.Objective{SLI: rapid.SampledFrom(flags.SLIs()).Draw(t, name+".sli"), Op: flags.OpLTE}
	small := rapid.SampledFrom([]float64{0, 0.0001, 0.5}).Draw(t, name+".share")
	o.Window = rapid.SampledFrom([]time.Duration{7 * flags.Day, 28 * flags.Day}).Draw(t, name+".window")
	switch o.SLI {
	case flags.SLITimeToVisibility, flags.SLIBacklogAge:
		o.Scope = metrics.ScopeAll
		if len(replicas) > 0 && rapid.Bool().Draw(t, name+".one") {
			o.Scope, o.Replica = metrics.ScopeReplica, replicas[0].Name
		}
	case flags.SLIViolationRate:
		o.Of = rapid.SampledFrom([]string{"ryw", "mw"}).Draw(t, name+".of")
	case flags.SLIConvergence:
		o.Within, o.Op, small = 10*time.Second, flags.OpGTE, 1-small
	}
	if o.IsDuration() {
		o.Value = rapid.SampledFrom([]float64{1e6, 2e9, 36e11}).Draw(t, name+".value")
		o.Target = rapid.SampledFrom([]float64{0.9, 0.999}).Draw(t, name+".target")
	} else {
		o.Value = small
	}
	if !o.Counts() {
		o.Target, o.Window = 0, 0
	}
	return o
}

func TestDocumentsRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := genDocument(t, "d")
		if ps := Validate(d); len(ps) > 0 {
			t.Fatalf("drew an invalid document: %v", ps)
		}
		requireRoundTrip(t, d)
	})
}

func TestDiffIsEmptyExactlyWhenEqual(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := genDocument(t, "a"), genDocument(t, "b")
		if rapid.Bool().Draw(t, "near") { // change one thing at most
			b = a
			if a.Guarantee != nil && rapid.Bool().Draw(t, "touch") {
				g := *a.Guarantee
				switch rapid.IntRange(0, 4).Draw(t, "what") {
				case 0:
					g.Story += "x"
				case 1:
					g.Review = nil
				case 2:
					g.Objectives = append([]flags.Objective(nil), g.Objectives...)
					for i, j := 0, len(g.Objectives)-1; i < j; i, j = i+1, j-1 {
						g.Objectives[i], g.Objectives[j] = g.Objectives[j], g.Objectives[i]
					}
				case 3:
					g.Rollback = &flags.Rollback{}
				case 4:
					g.Labels = map[string]string{"a": ""}
				}
				b = &flags.Document{Kind: a.Kind, Guarantee: &g}
			}
		}
		if got, want := len(Diff(a, b)) == 0, string(Encode(a)) == string(Encode(b)); got != want {
			t.Fatalf("no difference %v, equal %v:\n%s\n%s\n%v", got, want, Encode(a), Encode(b), Diff(a, b))
		}
		for _, c := range Diff(a, b) {
			if c.Words == "" || c.Before == c.After {
				t.Fatalf("%+v", c)
			}
		}
	})
}

func TestCompatibleIsAPreorder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := genDocument(t, "a"), genDocument(t, "b"), genDocument(t, "c")
		if w := Compatible(a, a); len(w) > 0 {
			t.Fatalf("%s weakens itself: %v", Encode(a), w)
		}
		// Chains are rare among strangers: make the others from a half of the time.
		if a.Guarantee != nil && rapid.Bool().Draw(t, "chain") {
			b = stronger(t, a, "b")
			c = stronger(t, b, "c")
		}
		if a.Kind != b.Kind || b.Kind != c.Kind {
			return // The versions of a document are of its kind.
		}
		if len(Compatible(a, b)) == 0 && len(Compatible(b, c)) == 0 && len(Compatible(a, c)) > 0 {
			t.Fatalf("not transitive: %v\n%s\n%s\n%s", Compatible(a, c), Encode(a), Encode(b), Encode(c))
		}
	})
}

// stronger changes some numbers of a promise, in either direction.
func stronger(t *rapid.T, d *flags.Document, name string) *flags.Document {
	g := *d.Guarantee
	g.Objectives = append([]flags.Objective(nil), g.Objectives...)
	for i := range g.Objectives {
		o := &g.Objectives[i]
		o.Value *= rapid.SampledFrom([]float64{1, 1, 0.5, 1.5}).Draw(t, fmt.Sprintf("%s.v%d", name, i))
		o.Window = o.Window * time.Duration(rapid.SampledFrom([]int{1, 1, 2}).Draw(t, fmt.Sprintf("%s.w%d", name, i)))
	}
	g.Model = rapid.SampledFrom([]flags.Model{g.Model, g.Model, flags.ModelStrong}).Draw(t, name+".m")
	return &flags.Document{Kind: d.Kind, Guarantee: &g}
}

func TestWeakeningsAreNamed(t *testing.T) {
	t.Parallel()
	base := func() *flags.Document {
		return &flags.Document{Kind: flags.KindGuarantee, Guarantee: profileGuarantee()}
	}
	for name, c := range map[string]struct {
		edit func(g *flags.Guarantee)
		want []string
	}{
		"nothing": {func(*flags.Guarantee) {}, nil},
		"stronger": {func(g *flags.Guarantee) {
			g.Objectives[0].Value = 1e9
			g.Objectives[0].Target = 0.9999
			g.Model = flags.ModelCausal
		}, nil},
		"more":         {func(g *flags.Guarantee) { g.Replicas = append(g.Replicas, flags.Replica{Name: "new"}) }, nil},
		"words":        {func(g *flags.Guarantee) { g.Story, g.Owner, g.Review = "", "other", nil }, nil},
		"value":        {func(g *flags.Guarantee) { g.Objectives[0].Value = 5e9 }, []string{"spec.objectives[time_to_visibility all].value rises from 2s to 5s"}},
		"target":       {func(g *flags.Guarantee) { g.Objectives[0].Target = 0.99 }, []string{"spec.objectives[time_to_visibility all].target falls from 99.9% to 99%"}},
		"window":       {func(g *flags.Guarantee) { g.Objectives[1].Window *= 2 }, []string{"spec.objectives[violation_rate ryw].window grows from 28d to 56d: a longer window forgives more at once"}},
		"rate":         {func(g *flags.Guarantee) { g.Objectives[2].Value = 0.01 }, []string{"spec.objectives[conflict_rate].value rises from 0.1% to 1%"}},
		"removed":      {func(g *flags.Guarantee) { g.Objectives = g.Objectives[:2] }, []string{"spec.objectives[conflict_rate] is removed: at most 0.1% of writes conflict, over 28 d"}},
		"model":        {func(g *flags.Guarantee) { g.Model = flags.ModelEventual }, []string{"spec.model falls from read-your-writes to eventual"}},
		"incomparable": {func(g *flags.Guarantee) { g.Model = flags.ModelBoundedStaleness }, []string{"spec.model changes from read-your-writes to bounded-staleness, which does not include it"}},
		"replica":      {func(g *flags.Guarantee) { g.Replicas = g.Replicas[:1] }, []string{"spec.replicas[cache-eu] is no longer promised"}},
		"withdrawn":    {func(g *flags.Guarantee) { g.Status = flags.StatusDeprecated }, []string{"spec.status falls from active to deprecated: the promise is withdrawn"}},
		"moved":        {func(g *flags.Guarantee) { g.Feature = "other" }, []string{"spec.feature moves from profile-edit to other: profile-edit loses its promise"}},
	} {
		next := base()
		c.edit(next.Guarantee)
		var got []string
		for _, w := range Compatible(base(), next) {
			got = append(got, w.Message)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	op, state := base(), base()
	op.Guarantee.Replicas[0].Kind = metrics.OperationBased
	if w := Compatible(op, state); len(w) != 1 || !strings.Contains(w[0].Message, "falls from op to state") {
		t.Errorf("got %v", w)
	}
	draft := base()
	draft.Guarantee.Status = flags.StatusDraft
	if w := Compatible(draft, state); len(w) != 0 {
		t.Errorf("a draft promises nothing: %v", w)
	}
}

func TestDiffSpeaks(t *testing.T) {
	t.Parallel()
	old := &flags.Document{Kind: flags.KindGuarantee, Guarantee: profileGuarantee()}
	next := &flags.Document{Kind: flags.KindGuarantee, Guarantee: profileGuarantee()}
	next.Guarantee.Objectives[0].Value = 5e9
	next.Guarantee.Flag = ""
	next.Guarantee.Replicas = append(next.Guarantee.Replicas, flags.Replica{Name: "new"})
	var got []string
	for _, c := range Diff(old, next) {
		got = append(got, c.Words)
	}
	want := []string{"replicas[new].kind is now op", "objectives[time_to_visibility all].value changes from 2s to 5s", "flag is no longer said (was profile-consistency)"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestOpenSLO(t *testing.T) {
	t.Parallel()
	g := profileGuarantee()
	g.Objectives = append(g.Objectives, flags.Objective{SLI: flags.SLIBacklogAge, Scope: "all", Op: flags.OpLTE, Value: 6e10})
	text := string(OpenSLO(g))
	parts := strings.Split(text, "---\n")
	if len(parts) != 4 || !strings.HasPrefix(parts[3], "# backlog_age:all of profile-ryw is not in OpenSLO's terms") {
		t.Fatalf("got %s", text)
	}
	wantTargets := []float64{0.999, 0.9999, 0.999}
	for i, p := range parts[:3] {
		var doc struct {
			APIVersion string `yaml:"apiVersion"`
			Kind       string
			Metadata   struct {
				Name, DisplayName string
				Labels            map[string]string
				Annotations       map[string]string
			}
			Spec struct {
				Description, Service string
				Indicator            struct {
					Metadata struct{ Name string }
					Spec     struct {
						RatioMetric map[string]any `yaml:"ratioMetric"`
					}
				}
				TimeWindow []struct {
					Duration  string
					IsRolling bool `yaml:"isRolling"`
				} `yaml:"timeWindow"`
				BudgetingMethod string `yaml:"budgetingMethod"`
				Objectives      []struct {
					DisplayName string `yaml:"displayName"`
					Target      float64
				}
			}
		}
		if err := yaml.Unmarshal([]byte(p), &doc); err != nil {
			t.Fatalf("%v in %s", err, p)
		}
		s := doc.Spec
		if doc.APIVersion != "openslo/v1" || doc.Kind != "SLO" || doc.Metadata.Name != fmt.Sprintf("profile-ryw-%d", i+1) ||
			s.Service != "profile-edit" || s.BudgetingMethod != "Occurrences" || len(s.TimeWindow) != 1 ||
			s.TimeWindow[0].Duration != "28d" || !s.TimeWindow[0].IsRolling || len(s.Objectives) != 1 || s.Objectives[0].Target != wantTargets[i] {
			t.Errorf("got %+v from %s", doc, p)
		}
		count := []string{"good", "bad", "bad"}[i]
		if m := s.Indicator.Spec.RatioMetric; m[count] == nil || m["total"] == nil || len(m) != 3 {
			t.Errorf("%s: %v", count, m)
		}
	}
}
