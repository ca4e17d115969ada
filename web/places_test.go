package web

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"tidemark/flags/access"
	"tidemark/web/respond"
)

// fill takes places until one is refused, and returns how many there were and why the
// next was refused.
func (p *places) fill(t *testing.T, name func(i int) string, who *access.Identity) (held []*holder, code string) {
	t.Helper()
	for i := range p.most + 1 {
		h, err := p.take(name(i), who)
		if err == nil {
			held = append(held, h)
			continue
		}
		var refused *respond.Problem
		if !errors.As(err, &refused) || refused.RetryAfter <= 0 || refused.Status != http.StatusServiceUnavailable && refused.Status != http.StatusTooManyRequests {
			t.Fatal(err)
		}
		return held, refused.Code
	}
	t.Fatalf("%d places, and no end", len(held))
	return nil, ""
}

// TestNobodyHoldsAllPlaces lets one address, many addresses, one key and many keys take
// what they get.
func TestNobodyHoldsAllPlaces(t *testing.T) {
	t.Parallel()
	one := func(s string) func(int) string { return func(int) string { return s } }
	many := func(s string) func(int) string { return func(i int) string { return s + fmt.Sprint(i) } }
	reader := access.ServiceIdentity(&access.Key{ID: "r", Scopes: []access.Scope{access.ScopeRead}})
	control := access.ServiceIdentity(&access.Key{ID: "c", Scopes: []access.Scope{access.ScopeControl}})
	owner := access.PersonIdentity(access.User{Name: "ana", Role: access.Viewer, Features: []string{"cart"}})

	p := newPlaces(1024, 64)
	var all []*holder
	for _, s := range []struct {
		who  string
		name func(int) string
		id   *access.Identity
		want int
		code string
	}{
		{"an address without an identity", one("192.0.2.1"), nil, 64, "too_many_at_once"},
		{"another", one("192.0.2.2"), nil, 64, "too_many_at_once"},
		{"many addresses", many("2001:db8::"), nil, 512 - 128, "busy"},
		{"a key", one("key:a"), reader, 1024 - 512 - 64, "busy"},
		{"a key that controls", one("key:c"), control, 60, ""},
		{"a member of an owning team", one("user:ana"), owner, 4, "busy"},
	} {
		if s.code == "" { // As many as it needs.
			for range s.want {
				h, err := p.take(s.name(0), s.id)
				if err != nil {
					t.Fatalf("%s: %v", s.who, err)
				}
				all = append(all, h)
			}
			continue
		}
		held, code := p.fill(t, s.name, s.id)
		if len(held) != s.want || code != s.code {
			t.Errorf("%s: %d places, then %s; want %d, then %s", s.who, len(held), code, s.want, s.code)
		}
		all = append(all, held...)
	}
	for _, h := range all {
		p.put(h)
	}
	if p.used != 0 || p.nobody != 0 || len(p.by) > keptHolders {
		t.Errorf("when all were given back %d are used, %d of them by nobody, and %d holders remembered", p.used, p.nobody, len(p.by))
	}
	if held, code := p.fill(t, one("key:a"), reader); len(held) != 512 || code != "too_many_at_once" {
		t.Errorf("a key alone: %d, then %s", len(held), code)
	}
}

// TestNobodyHoldsAllStreams lets viewers, browsers that are told of flags and others take
// what they get: the flags and a backup can be fetched all the same.
func TestNobodyHoldsAllStreams(t *testing.T) {
	t.Parallel()
	viewer := access.PersonIdentity(access.User{Name: "eve", Role: access.Viewer})
	admin := access.PersonIdentity(access.User{Name: "root", Role: access.Administrator})
	sync := access.ServiceIdentity(&access.Key{ID: "s", Scopes: []access.Scope{access.ScopeSync}})
	one := func(s string) func(int) string { return func(int) string { return s } }
	many := func(s string) func(int) string { return func(i int) string { return s + fmt.Sprint(i) } }
	p := newStreams(4000, 200)
	for _, s := range []struct {
		who  string
		name func(int) string
		id   *access.Identity
		want int
		code string
	}{
		{"a viewer", one("user:eve"), viewer, 200, "too_many_at_once"},
		{"an address of browsers", one("192.0.2.1"), nil, 1000, "too_many_at_once"},
		{"many addresses", many("2001:db8::"), nil, 1000, "too_many_streams"},
		{"many viewers", many("user:"), viewer, 4000 - 250 - 2200, "too_many_streams"},
		{"who fetches the flags", one("key:s"), sync, 200, "too_many_at_once"},
		{"an administrator", one("user:root"), admin, 50, "too_many_streams"},
	} {
		if held, code := p.fill(t, s.name, s.id); len(held) != s.want || code != s.code {
			t.Errorf("%s: %d places, then %q; want %d, then %q", s.who, len(held), code, s.want, s.code)
		}
	}
}

// TestFewPlacesAreStillSome has settings that leave no shares.
func TestFewPlacesAreStillSome(t *testing.T) {
	t.Parallel()
	for _, most := range []int{1, 2, 3} {
		p := newPlaces(most, 64)
		h, err := p.take("192.0.2.1", nil)
		if err != nil {
			t.Fatalf("%d places: %v", most, err)
		}
		p.put(h)
	}
}

// TestManyHoldersAreForgotten: who comes once is not remembered for ever.
func TestManyHoldersAreForgotten(t *testing.T) {
	t.Parallel()
	p := newPlaces(1024, 64)
	for i := range 10 * keptHolders {
		h, err := p.take(fmt.Sprint(i), nil)
		if err != nil {
			t.Fatal(err)
		}
		p.put(h)
	}
	if len(p.by) > keptHolders+1 {
		t.Errorf("%d holders are remembered", len(p.by))
	}
}

func BenchmarkPlace(b *testing.B) {
	p := newPlaces(1024, 64)
	who := access.ServiceIdentity(&access.Key{ID: "r", Scopes: []access.Scope{access.ScopeEvaluate}})
	for b.Loop() {
		h, err := p.take(who.Actor(), who)
		if err != nil {
			b.Fatal(err)
		}
		p.put(h)
	}
}
