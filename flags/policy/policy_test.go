package policy_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/policy"
	"tidemark/metrics"
)

func checker(t testing.TB) *policy.Checker {
	t.Helper()
	c, err := policy.NewChecker()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// stored is a document as the store has it.
func stored(kind flags.DocumentKind, name string, revision int64, spec any) flags.DocumentVersion {
	content, err := json.Marshal(spec)
	if err != nil {
		panic(err)
	}
	return flags.DocumentVersion{ID: flags.DocumentID{Kind: kind, Name: name}, Revision: revision, Status: flags.StatusActive, Content: content}
}

func compile(t testing.TB, docs ...flags.DocumentVersion) *policy.Set {
	t.Helper()
	s, err := checker(t).Compile(policy.Sources{Documents: docs, Teams: map[string]string{"cart": "shop"}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func text(cedar string) policy.Spec { return policy.Spec{Cedar: cedar} }

// off switches off every policy that comes with the program.
func off(t testing.TB) (out []flags.DocumentVersion) {
	for _, b := range checker(t).Bases() {
		out = append(out, stored(flags.KindPolicy, b.Name, 1, policy.Spec{Enabled: new(false)}))
	}
	return out
}

func service(scopes ...access.Scope) *access.Identity {
	return access.ServiceIdentity(&access.Key{ID: fmt.Sprint(scopes), Name: "shop", Scopes: scopes, ExpiresAt: time.Unix(1, 0)})
}

func person(r access.Role, features ...string) *access.Identity {
	return access.PersonIdentity(access.User{Name: "p", Role: r, Features: features, Teams: []string{"support"}})
}

func TestTheDefaultPolicies(t *testing.T) {
	t.Parallel()
	s := compile(t)
	for name, c := range map[string]struct {
		who    *access.Identity
		labels []string
		policy string // that permits; "" = denied
	}{
		"anyone, no labels":     {person(access.Viewer), nil, "unlabelled"},
		"viewer":                {person(access.Viewer), []string{"pii"}, ""},
		"viewer who owns":       {person(access.Viewer, "cart"), []string{"pii"}, "owner"},
		"viewer who owns other": {person(access.Viewer, "feed"), []string{"pii"}, ""},
		"operator":              {person(access.Operator), []string{"pii", "tenant:acme"}, "control"},
		"administrator":         {person(access.Administrator), []string{"pii"}, "admin"},
		"key that reads":        {service("read"), []string{"pii"}, ""},
		"key that publishes":    {service("read", "publish:cart"), []string{"pii"}, "owner"},
		"key of all":            {service("publish:*"), []string{"pii"}, "owner"},
		"key that consumes":     {service("read", "consume:cart"), []string{"pii"}, ""},
		"key of another":        {service("read", "publish:feed"), []string{"pii"}, ""},
		"key that controls":     {service("read", "control"), []string{"pii"}, "control"},
		"nobody":                {nil, nil, ""},
	} {
		d := s.Reveal(c.who, "cart", c.labels)
		if d.Allowed != (c.policy != "") || d.Version != s.Version() {
			t.Errorf("%s: %+v", name, d)
		}
		if want := c.policy; d.Policy != want && (want != "" || d.Policy != policy.NoPolicy) {
			t.Errorf("%s: decided by %q, want %q", name, d.Policy, want)
		}
	}
	if v := s.Version(); !strings.HasPrefix(v, "default@") {
		t.Errorf("version %s", v)
	}
	for _, p := range s.Policies() {
		if p.Description == "" || strings.Contains(p.Cedar, "@id") || !p.Base || !p.Enabled {
			t.Errorf("%+v", p)
		}
	}
}

// TestWhoMayReportWhat compares with what scopes have always meant.
func TestWhoMayReportWhat(t *testing.T) {
	t.Parallel()
	s := compile(t)
	atReplica := []string{"received", "applied", "visible", "failed", "heartbeat"}
	rapid.Check(t, func(r *rapid.T) {
		scopes := rapid.SliceOfNDistinct(rapid.SampledFrom([]access.Scope{"publish:cart", "consume:cart", "publish:feed", "publish:*", "consume:*", "read", "control", "admin"}), 1, 3, rapid.ID).Draw(r, "scopes")
		feature := rapid.SampledFrom([]string{"cart", "feed", "other"}).Draw(r, "feature")
		name := rapid.SampledFrom(metrics.KindNames()).Draw(r, "kind")
		k, _ := metrics.ParseKind(name)
		publishes := slices.Contains(scopes, "publish:*") || slices.Contains(scopes, access.Scope("publish:"+feature))
		want := publishes || slices.Contains(atReplica, name) && (slices.Contains(scopes, "consume:*") || slices.Contains(scopes, access.Scope("consume:"+feature)))
		for range 2 { // The second is remembered.
			if d := s.MayReport(service(scopes...), feature, policy.ActionOf(k)); d.Allowed != want || !want && d.Policy != policy.NoPolicy {
				r.Fatalf("%v may report %s of %s: %+v, want %v", scopes, name, feature, d, want)
			}
		}
	})
}

// TestDeclaredServices is a feature that names its services: scopes alone do not do.
func TestDeclaredServices(t *testing.T) {
	t.Parallel()
	who := func(name string, scopes ...access.Scope) *access.Identity {
		return access.ServiceIdentity(&access.Key{ID: fmt.Sprint(name, scopes), Name: name, Scopes: scopes})
	}
	s := compile(t,
		stored(flags.KindOwnership, "cart", 3, policy.Ownership{Publishers: []string{"shop"}, Consumers: []string{"search"}}),
		stored(flags.KindOwnership, "feed", 1, policy.Ownership{Consumers: []string{}}),
	)
	for _, c := range []struct {
		who              *access.Identity
		feature          string
		publish, consume string // the policy that decides; + permits
	}{
		{who("shop", "publish:cart"), "cart", "+publish-scope", "+publish-scope"},
		{who("search", "consume:cart"), "cart", "declared-publishers", "+consume-scope"},
		{who("thief", "publish:*", "consume:*"), "cart", "declared-publishers", "declared-consumers"},
		{who("shop", "read"), "cart", policy.NoPolicy, policy.NoPolicy}, // A declaration gives no scope.
		{who("blog", "publish:feed"), "feed", "+publish-scope", "declared-consumers"},
		{who("thief", "publish:*"), "undeclared", "+publish-scope", "+publish-scope"},
	} {
		for a, want := range map[policy.Action]string{policy.Publish: c.publish, policy.Consume: c.consume} {
			name, allowed := strings.CutPrefix(want, "+")
			if d := s.MayReport(c.who, c.feature, a); d.Allowed != allowed || d.Policy != name {
				t.Errorf("%s, %s of %s: %+v, want %s", c.who.Name, a, c.feature, d, want)
			}
		}
	}
	keys := []access.Key{}
	for name, scopes := range map[string][]access.Scope{"shop": {"publish:cart"}, "search": {"consume:cart"}, "thief": {"publish:*"}, "blog": {"publish:feed"}} {
		keys = append(keys, access.Key{Name: name, Scopes: scopes})
	}
	want := []access.Ownership{
		{Feature: "cart", Publishers: []string{"shop"}, Consumers: []string{"search"}, Declared: true},
		{Feature: "feed", Publishers: []string{"blog", "thief"}, Consumers: []string{}, Declared: true},
		{Feature: "undeclared", Publishers: []string{"thief"}, Consumers: []string{}},
	}
	if diff := cmp.Diff(want, s.Owners([]string{"undeclared"}, nil, keys, time.Now())); diff != "" {
		t.Error(diff)
	}
	if s.Declared("cart").Publishers[0] != "shop" || s.Declared("none").Consumers != nil {
		t.Error("what is declared is lost")
	}
}

// TestDocumentsExtendTheDefaults adds, replaces and switches off.
func TestDocumentsExtendTheDefaults(t *testing.T) {
	t.Parallel()
	const support = `permit (principal in Team::"support", action == Action::"read_contents", resource)
when { resource.labels == ["pii"] };`
	viewer, pii := person(access.Viewer), []string{"pii"}
	added := compile(t, stored(flags.KindPolicy, "support", 2, text(support)))
	if d := added.Reveal(viewer, "cart", pii); !d.Allowed || d.Policy != "support" || d.Revision != 2 || !strings.HasPrefix(d.Version, "v2@") {
		t.Errorf("added: %+v", d)
	}
	if d := added.Reveal(viewer, "cart", []string{"pii", "secret"}); d.Allowed {
		t.Errorf("another label: %+v", d)
	}
	forbids := compile(t,
		stored(flags.KindPolicy, "support", 2, text(support)),
		stored(flags.KindPolicy, "never", 1, text(`forbid (principal, action == Action::"read_contents", resource) when { resource.labels.contains("pii") };`)),
	)
	if d := forbids.Reveal(person(access.Administrator), "cart", pii); d.Allowed || d.Policy != "never" || !strings.HasPrefix(d.Version, "v3@") {
		t.Errorf("what forbids goes first: %+v", d)
	}
	switched := compile(t, stored(flags.KindPolicy, "unlabelled", 1, policy.Spec{Enabled: new(false)}))
	if d := switched.Reveal(viewer, "cart", nil); d.Allowed || d.Policy != policy.NoPolicy {
		t.Errorf("switched off: %+v", d)
	}
	if p, ok := switched.Policy("unlabelled"); !ok || p.Enabled || !p.Base || p.Cedar == "" || p.Revision != 1 {
		t.Errorf("it is still listed, with its text: %+v", p)
	}
	gone := stored(flags.KindPolicy, "unlabelled", 2, "")
	gone.Status, gone.Content = flags.StatusDeleted, nil
	if s := compile(t, gone); !s.Reveal(viewer, "cart", nil).Allowed || !strings.HasPrefix(s.Version(), "v2@") {
		t.Errorf("a deleted document gives the default back: %s", s.Version())
	}
	replaced := compile(t, stored(flags.KindPolicy, "unlabelled", 1, text(`permit (principal is Person, action == Action::"read_contents", resource) when { resource.labels.isEmpty() };`)))
	if !replaced.Reveal(viewer, "cart", nil).Allowed || replaced.Reveal(service("read"), "cart", nil).Allowed {
		t.Error("a document of the same name takes the place of a default")
	}
}

func TestWhatNoRulePermitsIsDenied(t *testing.T) {
	t.Parallel()
	empty := compile(t, off(t)...)
	// An overflow is what no check of types finds.
	broken := compile(t,
		stored(flags.KindPolicy, "all", 1, text(`permit (principal, action, resource);`)),
		stored(flags.KindPolicy, "no-tenant", 1, text(`forbid (principal, action, resource) when { 9223372036854775807 + 1 == 3 };`)),
	)
	for _, s := range []*policy.Set{nil, empty, broken} {
		rapid.Check(t, func(r *rapid.T) {
			labels := rapid.SliceOf(rapid.String()).Draw(r, "labels")
			role := rapid.SampledFrom(access.Roles()).Draw(r, "role")
			if d := s.Reveal(person(role, "cart"), "cart", labels); d.Allowed {
				r.Fatalf("%s let %s see %q: %+v", s.Version(), role, labels, d)
			}
			if d := s.MayReport(service("publish:*"), "cart", policy.Publish); d.Allowed {
				r.Fatalf("%s let a key report: %+v", s.Version(), d)
			}
		})
	}
	permitFails := compile(t, stored(flags.KindPolicy, "all", 1, text(`permit (principal, action, resource) when { 9223372036854775807 + 1 == 3 };`)))
	if !permitFails.Reveal(person(access.Viewer), "cart", nil).Allowed {
		t.Error("a policy that would permit and fails takes nothing away")
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	s := compile(t, stored(flags.KindPolicy, "fails", 4, text(`permit (principal, action, resource) when { 9223372036854775807 + 1 == 3 };`)))
	d, all := s.Explain(policy.Question{Who: person(access.Operator), Action: policy.ReadContents, Feature: "cart", Labels: []string{"pii"}})
	says := map[string]string{}
	for _, f := range all {
		says[f.Policy] = f.Says
		if (f.Says == "fails") != (f.Error != "") || (f.Revision == 4) != (f.Policy == "fails") {
			t.Errorf("%+v", f)
		}
	}
	want := map[string]string{"unlabelled": "silent", "owner": "silent", "control": "permits", "admin": "silent", "fails": "fails"}
	if !d.Allowed || d.Policy != "control" || fmt.Sprint(says) != fmt.Sprint(want) {
		t.Errorf("%+v %v", d, says)
	}
	if d, all := s.Explain(policy.Question{Action: policy.Publish}); d.Allowed || len(all) != 0 {
		t.Errorf("nobody: %+v %v", d, all)
	}
}

func TestABadPolicyIsRefusedWithItsPlace(t *testing.T) {
	t.Parallel()
	c := checker(t)
	cedar := func(s string) string {
		raw, _ := json.Marshal(text(s))
		return string(raw)
	}
	for _, x := range []struct{ name, content, want string }{
		{"a", cedar("\npermit (principal, action, resourc);"), "spec.cedar: line 2, column 28: found resourc where resource must stand"},
		{"a", cedar("permit (principal, action, resource)"), "line 1, column 37: found the end of the text where ; must stand"},
		{"a", cedar("permit (principal, action, resource) when { \"x };"), "line 1, column 45: literal not terminated"},
		{"a", cedar("permit (principal, action, resource);\nforbid (principal, action, resource);"), "line 2, column 1: there are 2 statements"},
		{"a", cedar("// nothing"), "there are 0 statements"},
		{"a", cedar("permit (principal,\n action == Action::\"shred\", resource);"), "line 2, column 12: unrecognized action"},
		{"a", cedar("permit (principal, action, resource)\nwhen { resource.colour == 3 };"), "line 2, column 17: attribute `colour`"},
		{"a", cedar("permit (principal, action == Action::\"publish\", resource) when { resource.publishers.contains(\"a\") };"), "unable to guarantee safety of access to optional attribute `publishers`"},
		{"a", cedar("permit (principal is Robot, action, resource);"), "line 1, column 22: unrecognized entity type `Robot`"},
		{"a", cedar("permit (principal, action, resource) when { 1 };"), "expected Bool"},
		{"a", cedar("@id(\"b\")\npermit (principal, action, resource);"), `@id is "b"`},
		{"a", cedar(""), "spec.cedar: is empty"},
		{"a", `{"enabled":false}`, "spec.cedar: is empty"}, // It switches off nothing.
		{"a", `{"cedar":"permit (principal, action, resource);","enable":true}`, "unknown field"},
		{"a", `[]`, "spec: is not a policy"},
		{"a", cedar("permit (principal, action, resource);" + strings.Repeat(" ", policy.MaxText)), "at most 16384 are allowed"},
		{"a", `{"cedar":"permit (principal, action, resource);","description":"` + strings.Repeat("x", 1001) + `"}`, "spec.description: must be at most 1000"},
		{"A b", cedar("permit (principal, action, resource);"), "metadata.name"},
		{"deny-by-default", cedar("permit (principal, action, resource);"), "metadata.name"},
		{"unlabelled", `{"enabled":true}`, "spec.cedar: is empty"},
	} {
		if err := c.Check(x.name, []byte(x.content)); !errors.Is(err, flags.ErrInvalid) || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s %.80s: %v, want one that says %s", x.name, x.content, err, x.want)
		}
	}
	for name, content := range map[string]string{
		"a": cedar("@id(\"a\")\n// why\npermit (principal, action, resource);"), "unlabelled": `{"enabled":false}`,
	} {
		if err := c.Check(name, []byte(content)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzPolicy feeds what people may write: it is refused, or compiles
// and decides without an error.
func FuzzPolicy(f *testing.F) {
	c, err := policy.NewChecker()
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range c.Bases() {
		f.Add(b.Cedar)
	}
	f.Add(`permit (principal in Team::"a", action in [Action::"publish"], resource == Feature::"cart") unless { context has x };`)
	f.Add(`forbid(principal,action,resource)when{resource.labels.containsAny(["a"])||principal.name like "x*"};`)
	f.Fuzz(func(t *testing.T, s string) {
		raw, err := json.Marshal(text(s))
		if err != nil || c.Check("a", raw) != nil {
			return
		}
		set, err := c.Compile(policy.Sources{Documents: []flags.DocumentVersion{stored(flags.KindPolicy, "a", 1, text(s))}})
		if err != nil {
			t.Fatalf("%q passes the check and does not compile: %v", s, err)
		}
		for _, a := range policy.Actions() {
			set.Decide(policy.Question{Who: person(access.Viewer, "cart"), Action: a, Feature: "cart", Labels: []string{"pii"}})
			set.Decide(policy.Question{Who: service("publish:cart"), Action: a, Feature: "cart"})
		}
	})
}

func TestReportsDoNotAllocate(t *testing.T) {
	s, who := compile(t), service("publish:cart")
	s.MayReport(who, "cart", policy.Publish)
	if n := testing.AllocsPerRun(100, func() { s.MayReport(who, "cart", policy.Publish) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkReveal(b *testing.B) {
	s, who := compile(b), person(access.Viewer)
	for b.Loop() {
		s.Reveal(who, "cart", []string{"pii"})
	}
}

func BenchmarkMayReport(b *testing.B) {
	s, who := compile(b), service("publish:cart")
	b.ReportAllocs()
	for b.Loop() {
		s.MayReport(who, "cart", policy.Publish)
	}
}
