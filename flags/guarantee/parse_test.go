package guarantee

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/flags"
	"tidemark/metrics"
)

const profile = `apiVersion: tidemark/v1alpha1
kind: ConsistencyGuarantee
metadata: {name: profile-ryw, labels: {team: identity}}
spec:
  version: 2.1.0
  status: active            # draft | active | deprecated
  feature: profile-edit
  story: "After I save my profile I see the new name wherever I look."
  owner: team-identity
  model: read-your-writes
  mechanism: event_stream
  replicas: [{name: search, kind: state}, {name: cache-eu, kind: state}]
  reconciliation: {rule: profile-merge, version: 3}
  objectives:
    - {sli: time_to_visibility, scope: all, op: lte, value: 2s, target: 0.999, window: 28d}
    - {sli: violation_rate, of: ryw, op: lte, value: 0.0001, window: 28d}
    - {sli: conflict_rate, op: lte, value: 0.001, window: 28d}
  flag: profile-consistency
  acceptance: {min_units: 2000, bake: 24h, margin: 0.001}
  rollback: {drain: session, deadline: hold}
  review: {every: 90d, decision: docs/adr/0007-profile.md}
`

func profileGuarantee() *flags.Guarantee {
	return &flags.Guarantee{
		Name: "profile-ryw", Labels: map[string]string{"team": "identity"},
		Version: "2.1.0", Status: flags.StatusActive, Feature: "profile-edit",
		Story: "After I save my profile I see the new name wherever I look.",
		Owner: "team-identity", Model: flags.ModelReadYourWrites, Mechanism: "event_stream",
		Replicas:       []flags.Replica{{Name: "search", Kind: metrics.StateBased}, {Name: "cache-eu", Kind: metrics.StateBased}},
		Reconciliation: &flags.Reconciliation{Rule: "profile-merge", Version: 3},
		Objectives: []flags.Objective{
			{SLI: flags.SLITimeToVisibility, Scope: "all", Op: flags.OpLTE, Value: 2e9, Target: 0.999, Window: 28 * flags.Day},
			{SLI: flags.SLIViolationRate, Of: "ryw", Op: flags.OpLTE, Value: 0.0001, Window: 28 * flags.Day},
			{SLI: flags.SLIConflictRate, Op: flags.OpLTE, Value: 0.001, Window: 28 * flags.Day},
		},
		Flag:       "profile-consistency",
		Acceptance: &flags.Acceptance{MinUnits: 2000, Bake: 24 * time.Hour, Margin: 0.001},
		Rollback:   &flags.Rollback{Drain: "session", Deadline: "hold"},
		Review:     &flags.Review{Every: 90 * flags.Day, Decision: "docs/adr/0007-profile.md"},
	}
}

func TestParseReadsAGuarantee(t *testing.T) {
	t.Parallel()
	got, err := Parse("profile.yaml", []byte(profile))
	if err != nil {
		t.Fatal(err)
	}
	want := []flags.Document{{Kind: flags.KindGuarantee, Guarantee: profileGuarantee(), Source: "profile.yaml:1"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestParseReadsJSONAndSeveralDocuments(t *testing.T) {
	t.Parallel()
	text := "{\n\t\"apiVersion\": \"tidemark/v1alpha1\",\n\t\"kind\": \"Route\",\n\t\"metadata\": {\"name\": \"cart\"},\n" +
		"\t\"spec\": {\"version\": \"1.0.0\", \"feature\": \"c\\u00e4rt \\/ \\ud83d\\ude00\", \"replicas\": [{\"name\": \"db\", \"silence\": \"30s\"}]}\n}\n"
	got, err := Parse("x", []byte("# only a comment\n---\n"+profile+"---\n"+text+"---\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[1].Route == nil {
		t.Fatalf("got %+v", got)
	}
	want := &flags.Route{
		Name: "cart", Version: "1.0.0", Status: flags.StatusActive, Feature: "cärt / 😀",
		Replicas: []flags.Replica{{Name: "db", Kind: metrics.OperationBased, Silence: 30 * time.Second}},
	}
	if d := cmp.Diff(want, got[1].Route); d != "" {
		t.Error(d)
	}
}

func TestParseNamesWhatIsWrongAndWhere(t *testing.T) {
	t.Parallel()
	edit := func(from, to string) string { return strings.Replace(profile, from, to, 1) }
	for name, c := range map[string]struct{ text, want string }{
		"unknown field":     {edit("  flag:", "  flags:"), `f:18:3: spec.flags: is not a known field; allowed here: version, status`},
		"wrong type":        {edit("owner: team-identity", "owner: 17"), `f:9:10: spec.owner: must be text; put 17 in quotes`},
		"twice":             {edit("  owner:", "  owner: a\n  owner:"), `f:10:3:`},
		"missing":           {edit("  owner: team-identity\n", ""), `spec.owner: is missing`},
		"empty":             {edit("owner: team-identity", "owner:"), `spec.owner: is empty`},
		"model":             {edit("read-your-writes", "linear"), `f:10:10: spec.model: "linear" is not a consistency model; allowed: eventual, bounded-staleness`},
		"duration":          {edit("value: 2s", "value: 2"), `f:15:61: spec.objectives[0].value: "2": a duration is a number and a unit`},
		"target":            {edit("0.999", "99.9"), `f:15:73: spec.objectives[0].target: is 99.9; it must be a share between 0 and 1`},
		"rate":              {edit("0.0001", "1"), `f:16:54: spec.objectives[1].value: is 1; it must be a share from 0 to less than 1`},
		"number":            {edit("0.0001", "few"), `spec.objectives[1].value: must be a number such as 0.001, not text`},
		"sli":               {edit("conflict_rate", "conflicts"), `spec.objectives[2].sli: "conflicts" is not an indicator; allowed: time_to_visibility`},
		"op":                {edit("of: ryw, op: lte", "of: ryw, op: gte"), `spec.objectives[1].op: "gte" is not allowed; for violation_rate it must be lte`},
		"of":                {edit("of: ryw", "of: all"), `spec.objectives[1].of: "all" is not allowed; allowed: ryw, mr, mw, wfr`},
		"window":            {edit("window: 28d", "window: 28m"), `spec.objectives[0].window: is 28m; it must be from 1h to 365d`},
		"replica twice":     {edit("cache-eu", "search"), `spec.replicas[1].name: "search" is named twice`},
		"replica kind":      {edit("kind: state", "kind: crdt"), `spec.replicas[0].kind: "crdt" is not a kind of replica; allowed: state`},
		"version":           {edit("2.1.0", "2.1"), `f:5:12: spec.version: "2.1" must be a full semantic version`},
		"version build":     {edit("2.1.0", "2.1.0+a"), `spec.version: "2.1.0+a" must be a full semantic version`},
		"kind":              {edit("ConsistencyGuarantee", "Flagg"), `f:2:7: kind: "Flagg" is not a kind of document; allowed: ConsistencyGuarantee, Route`},
		"api version":       {edit("v1alpha1", "v9"), `apiVersion: "tidemark/v9" is not known; it must be tidemark/v1alpha1`},
		"name":              {edit("profile-ryw", "Profile_RYW"), `metadata.name: "Profile_RYW" must be 1 to 63 of`},
		"control char":      {edit("team-identity", `"a\tb"`), `spec.owner: contains a character that cannot be shown`},
		"anchor":            {edit("owner: team-identity", "owner: &a x"), `is an anchor or alias, which documents may not use`},
		"tag":               {edit("owner: team-identity", "owner: !!str x"), `is a tagged value, which documents may not use`},
		"syntax":            {edit("owner: team-identity", "owner: [x"), `cannot be read as YAML`},
		"scalar":            {"hello", `f:1:1: must be a mapping of fields to values, not text`},
		"same objective":    {edit("sli: conflict_rate,", "sli: violation_rate, of: ryw,"), `spec.objectives[2]: measures the same as an objective before it`},
		"second document":   {profile + "--- {a: b}\n", `put --- on a line of its own`},
		"lines are counted": {"---\n" + profile + "---\n" + edit("owner: team-identity", "owner: 17"), `f:32:10: spec.owner`},
		"too deep":          {strings.Repeat("[", 10000), `f:1:1: is nested too deeply; at most 20 levels are allowed`},
		"too deep in list":  {strings.Repeat("- ", 10000) + "a", `f:1:1: is nested too deeply`},
		"document size":     {profile + strings.Repeat("#", MaxDocumentBytes), `at most 65536 are allowed`},
		"file size":         {strings.Repeat("#", MaxFileBytes+1), `at most 1048576 are allowed`},
		"utf-8":             {"a: \xff", `is not UTF-8 text`},
		"review":            {edit("every: 90d", "every: 1h"), `spec.review.every: is 1h; it must be from 1d to 730d`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			docs, err := Parse("f", []byte(c.text))
			if err == nil {
				t.Fatalf("no error; got %+v", docs)
			}
			if !errors.Is(err, flags.ErrInvalid) {
				t.Errorf("%v does not wrap ErrInvalid", err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %s\nwant %s", err, c.want)
			}
		})
	}
}

func TestParseReportsEveryProblem(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer("read-your-writes", "linear", "0.999", "9", "2.1.0", "2").Replace(profile)
	_, err := Parse("f", []byte(text))
	var pe *ProblemsError
	if !errors.As(err, &pe) || len(pe.Problems) != 3 {
		t.Fatalf("want 3 problems, got %v", err)
	}
}

func TestLoadWalksAFolder(t *testing.T) {
	t.Parallel()
	route := "apiVersion: tidemark/v1alpha1\nkind: Route\nmetadata: {name: r}\nspec: {version: 1.0.0, feature: f, replicas: [{name: a}]}\n"
	fsys := fstest.MapFS{
		"b/profile.yaml": {Data: []byte(profile)},
		"a.json":         {Data: []byte(route)},
		"README.md":      {Data: []byte("not a document")},
		".git/x.yaml":    {Data: []byte("not: one")},
		".hidden.yaml":   {Data: []byte("not: one")},
	}
	docs, err := Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	if len(docs) != 2 || docs[0].Source != "a.json:1" || docs[1].Source != "b/profile.yaml:1" {
		t.Fatalf("got %+v", docs)
	}
	fsys["c.yml"] = &fstest.MapFile{Data: []byte(route)}
	fsys["d.yml"] = &fstest.MapFile{Data: []byte("kind: 1")}
	_, err = Load(fsys)
	if err == nil || !strings.Contains(err.Error(), "Route/r is also written at a.json:1") || !strings.Contains(err.Error(), "d.yml:") {
		t.Fatalf("got %v", err)
	}
	if _, err := Load(os.DirFS(t.TempDir() + "/absent")); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(profile))
	f.Add([]byte(`{"apiVersion":"tidemark/v1alpha1","kind":"Route","metadata":{"name":"r"},"spec":{"version":"1.0.0","feature":"f","replicas":[{"name":"a"}]}}`))
	f.Add([]byte("a: &a [*a, *a]\n---\n? [x]\n: |\n  y\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		docs, err := Parse("fuzz", data)
		if err != nil {
			if !errors.Is(err, flags.ErrInvalid) || err.Error() == "" {
				t.Fatalf("not an ErrInvalid with words: %v", err)
			}
			return
		}
		for i := range docs {
			requireRoundTrip(t, &docs[i])
		}
	})
}

// requireRoundTrip fails unless a document reads back as it was written.
func requireRoundTrip(t interface {
	Helper()
	Fatalf(string, ...any)
}, d *flags.Document,
) {
	t.Helper()
	text := Encode(d)
	back, err := Parse("again", text)
	if err != nil || len(back) != 1 {
		t.Fatalf("parse %s: %d documents, %v", text, len(back), err)
	}
	back[0].Source = d.Source
	if diff := cmp.Diff(*d, back[0]); diff != "" {
		t.Fatalf("%s\n%s", text, diff)
	}
}
