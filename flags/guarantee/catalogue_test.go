package guarantee

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/flags"
	"tidemark/flags/audit"
	"tidemark/flags/sqlite"
	"tidemark/metrics"
)

// bench is a catalogue over a real store, with a clock that is moved by hand.
type bench struct {
	t       *testing.T
	store   *sqlite.Store
	cat     *Catalogue
	now     time.Time
	changed int
}

func newBench(t *testing.T) *bench {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "control.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := store.Verify(context.Background()); err != nil {
			t.Error(err)
		}
		_ = store.Close()
	})
	b := &bench{t: t, store: store, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	b.cat = NewCatalogue(Options{
		Store: store, Now: func() time.Time { return b.now },
		Changed: func(context.Context) error { b.changed++; return nil },
	})
	return b
}

func (b *bench) docs(text string) []flags.Document {
	b.t.Helper()
	docs, err := Parse("test", []byte(text))
	if err != nil {
		b.t.Fatal(err)
	}
	return docs
}

func (b *bench) apply(text string) (*Plan, error) {
	b.t.Helper()
	b.now = b.now.Add(time.Hour)
	return b.cat.Apply(b.t.Context(), b.docs(text), Author{Actor: "user:ada", Reason: "because"})
}

func (b *bench) mustApply(text string) {
	b.t.Helper()
	if _, err := b.apply(text); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) auditSize() int64 {
	b.t.Helper()
	h, err := b.store.Head(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return h.Size
}

func TestApplyKeepsTheRulesOfVersions(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.mustApply(profile)
	edit := strings.NewReplacer
	for _, c := range []struct {
		name, text, want string
		action           Action
	}{
		{"the same again", profile, "", ActionUnchanged},
		{"the same in another form", string(Encode(&b.docs(profile)[0])), "", ActionUnchanged},
		{"same version, other content", edit("team-identity", "team-x").Replace(profile), "version 2.1.0 already stands for other content (revision 1)", ActionRefused},
		{"a lower version", edit("2.1.0", "2.0.9").Replace(profile), "version 2.0.9 is not above 2.1.0, the highest so far", ActionRefused},
		{
			"weaker in a minor version", edit("2.1.0", "2.2.0", "value: 2s", "value: 5s", "read-your-writes", "eventual").Replace(profile),
			"version 2.2.0 promises less than 2.1.0 without a new major version: spec.model falls from read-your-writes to eventual; spec.objectives[time_to_visibility all].value rises from 2s to 5s.", ActionRefused,
		},
		{"weaker in a major version", edit("2.1.0", "3.0.0", "value: 2s", "value: 5s").Replace(profile), "", ActionUpdate},
		{"stronger in a minor version", edit("2.1.0", "2.2.0", "value: 2s", "value: 1s").Replace(profile), "", ActionUpdate},
	} {
		plan, err := b.cat.Plan(t.Context(), b.docs(c.text))
		if err != nil {
			t.Fatal(err)
		}
		s := plan.Steps[0]
		if s.Action != c.action || (c.want == "") != (len(s.Refusals) == 0) || !strings.Contains(strings.Join(s.Refusals, " "), c.want) {
			t.Errorf("%s: %s, %q", c.name, s.Action, s.Refusals)
		}
	}
	size := b.auditSize()
	route := "\n---\n" + routeText("cart", "1.0.0", "a")
	_, err := b.apply(edit("2.1.0", "2.2.0", "value: 2s", "value: 5s").Replace(profile) + route)
	if !errors.Is(err, flags.ErrRefused) {
		t.Fatalf("got %v", err)
	}
	if docs, err := b.cat.Current(t.Context()); err != nil || len(docs) != 1 || b.auditSize() != size || b.changed != 1 {
		t.Errorf("a refused plan left %d documents, %d audit entries, %v", len(docs), b.auditSize(), err)
	}
}

func routeText(feature, version, replica string) string {
	return "apiVersion: tidemark/v1alpha1\nkind: Route\nmetadata: {name: " + feature + "-route}\nspec: {version: " + version +
		", feature: " + feature + ", replicas: [{name: " + replica + ", kind: state}]}\n"
}

func TestRestoreBringsBackAndKeepsTheHistory(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := flags.DocumentID{Kind: flags.KindGuarantee, Name: "profile-ryw"}
	b.mustApply(profile)
	b.mustApply(strings.NewReplacer("2.1.0", "3.0.0", "value: 2s", "value: 9s").Replace(profile))
	by := Author{Actor: "user:bo", Reason: "the new one was a mistake"}
	for _, c := range []struct {
		revision, base int64
		by             Author
		want           error
	}{{1, 0, Author{Actor: "user:bo", Reason: " "}, flags.ErrInvalid}, {7, 0, by, flags.ErrNotFound}, {2, 0, by, flags.ErrRefused}, {1, 1, by, flags.ErrChanged}} {
		if _, err := b.cat.Restore(t.Context(), id, c.revision, c.base, c.by); !errors.Is(err, c.want) {
			t.Errorf("restore %d: %v, want %v", c.revision, err, c.want)
		}
	}
	v, err := b.cat.Restore(t.Context(), id, 1, 2, by)
	if err != nil || v.Revision != 3 || v.Restores != 1 || v.Version != "2.1.0" {
		t.Fatalf("%+v, %v", v, err)
	}
	versions, err := b.cat.Versions(t.Context(), id)
	if err != nil || len(versions) != 3 || versions[0].Hash != versions[2].Hash || versions[0].Reason != by.Reason || versions[0].Actor != "user:bo" {
		t.Fatalf("%+v, %v", versions, err)
	}
	changes, weakened, err := b.cat.DiffRevisions(t.Context(), id, 1, 2)
	if err != nil || len(changes) != 2 || len(weakened) != 1 {
		t.Errorf("%v, %v, %v", changes, weakened, err)
	}
	// Applying the version that was taken back is refused and says how to get it.
	_, err = b.apply(strings.NewReplacer("2.1.0", "3.0.0", "value: 2s", "value: 9s").Replace(profile))
	if !errors.Is(err, flags.ErrRefused) || !strings.Contains(err.Error(), "restore it, giving a reason") {
		t.Errorf("got %v", err)
	}
	entries, err := b.store.Entries(t.Context(), audit.Query{Subject: id.String()})
	if err != nil || len(entries) != 3 || entries[0].Action != "document.restore" || entries[0].Actor != "user:bo" || entries[0].Before == nil {
		t.Errorf("audit %+v, %v", entries, err)
	}
}

func TestAChangeOfSomeoneElseIsNotOverwritten(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.mustApply(profile)
	d := b.docs(strings.Replace(profile, "2.1.0", "2.2.0", 1))
	v := b.cat.revision(&d[0], Author{Actor: "user:x"}, b.now, 1)
	err := b.store.ApplyDocuments(t.Context(), flags.Change{Actor: "user:x", At: b.now, Action: "document.apply", Documents: []flags.DocumentChange{{Version: v, Base: 0}}})
	if !errors.Is(err, flags.ErrChanged) {
		t.Errorf("got %v", err)
	}
}

func TestContradictionsAreRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.mustApply(profile + "---\n" + routeText("cart", "1.0.0", "a"))
	other := strings.NewReplacer("profile-ryw", "profile-two", "{name: search, kind: state}", "{name: search, kind: op}").Replace(profile)
	_, err := b.apply(other)
	if err == nil || !strings.Contains(err.Error(), "replica search of feature profile-edit is op here and state in ConsistencyGuarantee/profile-ryw") {
		t.Errorf("got %v", err)
	}
	_, err = b.apply(strings.Replace(routeText("cart", "1.0.0", "b"), "cart-route", "cart-two", 1))
	if err == nil || !strings.Contains(err.Error(), "Route/cart-route is already the route of feature cart") {
		t.Errorf("got %v", err)
	}
	b.mustApply(strings.Replace(other, "status: active", "status: draft", 1))
}

func TestFeatureConfigsFollowTheHistory(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	start := b.now
	at := func(h int) int64 { return start.Add(time.Duration(h) * time.Hour).UnixNano() }
	b.mustApply(routeText("profile-edit", "1.0.0", "db") + "---\n" + routeText("cart", "1.0.0", "a"))
	b.mustApply(profile)
	b.mustApply(strings.NewReplacer("2.1.0", "2.1.1", "team-identity", "team-x").Replace(profile)) // says nothing to the fold
	b.mustApply(strings.NewReplacer("2.1.0", "2.2.0", "value: 2s", "value: 1s").Replace(profile))
	b.mustApply(strings.NewReplacer("2.1.0", "3.0.0", "status: active", "status: deprecated").Replace(profile))
	got, err := b.cat.FeatureConfigs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	state := func(names ...string) (out []metrics.RouteReplica) {
		for _, n := range names {
			out = append(out, metrics.RouteReplica{Name: n, Kind: metrics.StateBased})
		}
		return out
	}
	deadline := func(ns int64) []metrics.Threshold { return []metrics.Threshold{{Scope: "all", Value: ns}} }
	want := []metrics.FeatureConfig{
		{Feature: "cart", From: at(1), Replicas: state("a")},
		{Feature: "profile-edit", From: at(1), Replicas: state("db")},
		{Feature: "profile-edit", From: at(2), Replicas: state("cache-eu", "search"), Thresholds: deadline(2e9)},
		{Feature: "profile-edit", From: at(4), Replicas: state("cache-eu", "search"), Thresholds: deadline(1e9)},
		{Feature: "profile-edit", From: at(5), Replicas: state("db")},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if b.changed != 5 {
		t.Errorf("told %d times", b.changed)
	}
}

func TestReviewsFallDue(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := flags.DocumentID{Kind: flags.KindGuarantee, Name: "profile-ryw"}
	b.mustApply(profile)
	applied := b.now
	check := func(last time.Time, overdue bool) {
		t.Helper()
		due, err := b.cat.ReviewsDue(t.Context())
		if err != nil || len(due) != 1 || !due[0].Last.Equal(last) || !due[0].Due.Equal(last.Add(90*flags.Day)) || due[0].Overdue != overdue {
			t.Errorf("%+v, %v", due, err)
		}
	}
	check(applied, false)
	b.now = applied.Add(90 * flags.Day)
	check(applied, true)
	if _, err := b.cat.AddReview(t.Context(), id, 0, "", "", Author{Actor: "user:ada"}); !errors.Is(err, flags.ErrInvalid) {
		t.Errorf("got %v", err)
	}
	if _, err := b.cat.AddReview(t.Context(), id, 9, "keep", "", Author{Actor: "user:ada"}); !errors.Is(err, flags.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	r, err := b.cat.AddReview(t.Context(), id, 0, "keep it", "still true", Author{Actor: "user:ada"})
	if err != nil || r.Revision != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	check(b.now, false)
	if rs, err := b.cat.Reviews(t.Context(), id); err != nil || len(rs) != 1 || rs[0].Decision != "keep it" {
		t.Errorf("%+v, %v", rs, err)
	}
}

// TestADraftWaitsBesideWhatIsInForce: the next version can be written down and tried
// while the promise before it is still kept, and judged.
func TestADraftWaitsBesideWhatIsInForce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := flags.DocumentID{Kind: flags.KindGuarantee, Name: "profile-ryw"}
	b.mustApply(profile)
	configs, err := b.cat.FeatureConfigs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	next := strings.NewReplacer("2.1.0", "2.2.0", "value: 2s", "value: 1s", "status: active", "status: draft").Replace(profile)
	plan, err := b.apply(next)
	if err != nil || !strings.Contains(strings.Join(plan.Steps[0].Notes, " "), "Version 2.1.0 stays in force beside this draft.") {
		t.Fatalf("%+v, %v", plan, err)
	}
	in := func(when, version string, status flags.Status) {
		t.Helper()
		docs, err := b.cat.InForce(t.Context())
		if err != nil || len(docs) != 1 || docs[0].Version != version || docs[0].Status != status {
			t.Errorf("%s: %+v, %v; want %s", when, docs, err, version)
		}
		if one, err := b.cat.GetInForce(t.Context(), id); err != nil || one.Version != version {
			t.Errorf("%s: %s, %v; want %s", when, one.Version, err, version)
		}
	}
	in("with a draft", "2.1.0", flags.StatusActive)
	if now, err := b.cat.FeatureConfigs(t.Context()); err != nil || cmp.Diff(configs, now) != "" {
		t.Errorf("the fold is told of a draft: %s, %v", cmp.Diff(configs, now), err)
	}
	if due, err := b.cat.ReviewsDue(t.Context()); err != nil || len(due) != 1 {
		t.Errorf("reviews due %+v, %v", due, err)
	}
	if plan, err := b.apply(next); err != nil || plan.Changes() {
		t.Errorf("the same draft again: %+v, %v", plan, err)
	}
	// Activation is by name, so that a draft must not be a way round the rule for majors.
	for name, c := range map[string]struct{ version, value string }{"a weaker draft": {"2.3.0", "5s"}, "weaker than what is in force": {"2.3.0", "3s"}} {
		weaker := strings.NewReplacer("2.1.0", c.version, "value: 2s", "value: "+c.value, "status: active", "status: draft").Replace(profile)
		if _, err := b.apply(weaker); !errors.Is(err, flags.ErrRefused) || !strings.Contains(err.Error(), "promises less than 2.1.0") {
			t.Errorf("%s: %v", name, err)
		}
	}
	by := Author{Actor: "controller", Reason: "the rollout completed"}
	for range 2 { // Doing it twice changes nothing.
		if v, err := b.cat.Activate(t.Context(), id, "2.2.0", by); err != nil || v.Status != flags.StatusActive || v.Revision != 3 {
			t.Fatalf("%+v, %v", v, err)
		}
	}
	in("activated", "2.2.0", flags.StatusActive)
	b.mustApply(strings.NewReplacer("2.1.0", "3.0.0", "status: active", "status: deprecated").Replace(profile))
	b.mustApply(strings.NewReplacer("2.1.0", "4.0.0", "status: active", "status: draft").Replace(profile))
	in("withdrawn, with a draft", "4.0.0", flags.StatusDraft)
}
