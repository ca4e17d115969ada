package policy_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tidemark/flags/access"
	"tidemark/flags/policy"
)

func service(scopes ...access.Scope) *access.Identity {
	return access.ServiceIdentity(&access.Key{ID: "x", Name: "shop", Scopes: scopes, ExpiresAt: time.Unix(1, 0)})
}

func person(r access.Role, features ...string) *access.Identity {
	return access.PersonIdentity(access.User{Name: "p", Role: r, Features: features})
}

func TestTheDefaultPolicies(t *testing.T) {
	t.Parallel()
	s, err := policy.Default()
	if err != nil {
		t.Fatal(err)
	}
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
}

func TestWhatNoRulePermitsIsDenied(t *testing.T) {
	t.Parallel()
	empty, err := policy.Compile("empty", nil)
	if err != nil {
		t.Fatal(err)
	}
	broken, err := policy.Compile("broken", []byte(`@id("all") permit (principal, action, resource);
@id("no-tenant") forbid (principal, action, resource) when { resource.tenant == "acme" };`))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*policy.Set{nil, empty, broken} {
		rapid.Check(t, func(r *rapid.T) {
			labels := rapid.SliceOf(rapid.String()).Draw(r, "labels")
			role := rapid.SampledFrom(access.Roles()).Draw(r, "role")
			if d := s.Reveal(person(role, "cart"), "cart", labels); d.Allowed {
				r.Fatalf("%s let %s see %q: %+v", s.Version(), role, labels, d)
			}
		})
	}
}

func TestABadPolicyIsRefusedWithItsPlace(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"permit (principal, action, resource);":                                                              "line 1",
		"\n@id(\"a\") permit (principal, action, resourc);":                                                  "2:",
		"@id(\"a\") permit (principal, action, resource);\n@id(\"a\") forbid (principal, action, resource);": "line 2",
		strings.Repeat(" ", 65<<10):                                                                          "65536",
	} {
		if _, err := policy.Compile("mine", []byte(text)); !errors.Is(err, policy.ErrPolicy) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want one that names %s", text, err, want)
		}
	}
}

func BenchmarkReveal(b *testing.B) {
	s, err := policy.Default()
	if err != nil {
		b.Fatal(err)
	}
	who := person(access.Viewer)
	for b.Loop() {
		s.Reveal(who, "cart", []string{"pii"})
	}
}
