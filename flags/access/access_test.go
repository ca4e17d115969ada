package access_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"tidemark/flags/access"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestAKeyHasItsForm(t *testing.T) {
	t.Parallel()
	k, token, err := access.NewKey(access.NewKeyOptions{Name: "shop", Env: "eu1", Scopes: []string{"read", "publish:cart", "read"}}, t0)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(token, "tmk_eu1_"+k.ID+"_") || len(token) != len("tmk_eu1_")+12+1+32+8 {
		t.Errorf("token %q", token)
	}
	if len(k.Scopes) != 2 || k.Scopes[0] != "publish:cart" {
		t.Errorf("scopes %v: want sorted and distinct", k.Scopes)
	}
	if id, err := access.KeyID(token); err != nil || id != k.ID {
		t.Errorf("id %q, %v", id, err)
	}
	if !k.Is(token) || k.Is(token[:len(token)-1]+"x") {
		t.Error("the hash does not tell the key from another")
	}
	for i := range token {
		wrong := []byte(token)
		wrong[i] ^= 1
		if _, err := access.KeyID(string(wrong)); !errors.Is(err, access.ErrKey) {
			t.Errorf("a key mistyped at %d passed: %v", i, err)
		}
	}
}

func TestBadKeySettingsAreNamed(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]access.NewKeyOptions{
		"name":          {Name: "a b", Scopes: []string{"read"}},
		"env":           {Name: "a", Env: "EU", Scopes: []string{"read"}},
		"expires":       {Name: "a", Expires: -1, Scopes: []string{"read"}},
		"at least one":  {Name: "a"},
		`"write"`:       {Name: "a", Scopes: []string{"write"}},
		`"publish:"`:    {Name: "a", Scopes: []string{"publish:"}},
		`"read:cart"`:   {Name: "a", Scopes: []string{"read:cart"}},
		`"publish:a b"`: {Name: "a", Scopes: []string{"publish:a b"}},
	} {
		_, _, err := access.NewKey(o, t0)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v does not name %s", o, err, want)
		}
	}
}

func TestLive(t *testing.T) {
	t.Parallel()
	k := access.Key{ExpiresAt: t0}
	if !k.Live(t0.Add(-1)) || k.Live(t0) {
		t.Error("a key is live strictly before its expiry")
	}
	k = access.Key{RevokedAt: t0.Add(time.Hour)}
	if k.Live(t0) {
		t.Error("a revoked key is not live")
	}
}

func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	service := func(scopes ...access.Scope) *access.Identity {
		return access.ServiceIdentity(&access.Key{ID: "x", Scopes: scopes})
	}
	person := func(r access.Role) *access.Identity { return access.PersonIdentity(access.User{Name: "p", Role: r}) }
	all := access.Permissions()
	for name, c := range map[string]struct {
		id   *access.Identity
		want []access.Permission
	}{
		"nobody":        {nil, []access.Permission{access.Public}},
		"zero":          {&access.Identity{}, []access.Permission{access.Public}},
		"no scope":      {service(), []access.Permission{access.Public, access.Known}},
		"publish":       {service("publish:a"), []access.Permission{access.Public, access.Known, access.Ingest}},
		"consume all":   {service("consume:*"), []access.Permission{access.Public, access.Known, access.Ingest}},
		"evaluate":      {service("evaluate"), []access.Permission{access.Public, access.Known, access.Evaluate}},
		"sync":          {service("sync"), []access.Permission{access.Public, access.Known, access.Sync}},
		"read":          {service("read"), []access.Permission{access.Public, access.Known, access.Read}},
		"control":       {service("control"), []access.Permission{access.Public, access.Known, access.Control}},
		"admin":         {service("admin"), []access.Permission{access.Public, access.Known, access.Admin}},
		"viewer":        {person(access.Viewer), []access.Permission{access.Public, access.Known, access.Person, access.Evaluate, access.Read}},
		"operator":      {person(access.Operator), []access.Permission{access.Public, access.Known, access.Person, access.Evaluate, access.Read, access.Control}},
		"administrator": {person(access.Administrator), []access.Permission{access.Public, access.Known, access.Person, access.Evaluate, access.Read, access.Control, access.Admin}},
		"unknown role":  {person("king"), []access.Permission{access.Public, access.Known, access.Person}},
	} {
		may := map[access.Permission]bool{}
		for _, p := range c.want {
			may[p] = true
		}
		for _, p := range all {
			if got := c.id.May(p); got != may[p] {
				t.Errorf("%s may %s: %v, want %v", name, p, got, may[p])
			}
		}
	}
}

// TestWhoHasAPermissionIsSaid: those that are no scope by their name are looked for in vain.
func TestWhoHasAPermissionIsSaid(t *testing.T) {
	t.Parallel()
	for p, want := range map[access.Permission]string{
		access.Ingest: "publish:", access.Person: "people who are signed in", access.Sync: "keys", access.Control: "operators", access.Admin: "administrators",
	} {
		if said := access.Lacking(p).Error(); !strings.Contains(said, want) {
			t.Errorf("%s: %q does not say %q", p, said, want)
		}
	}
}

func TestAMemberControlsWhatTheTeamOwns(t *testing.T) {
	t.Parallel()
	member := access.PersonIdentity(access.User{Name: "p", Role: access.Viewer, Features: []string{"cart", "feed"}})
	for _, c := range []struct {
		id       *access.Identity
		features []string
		want     bool
	}{
		{member, []string{"cart"}, true},
		{member, []string{"cart", "feed"}, true},
		{member, []string{"cart", "checkout"}, false},
		{member, nil, false}, // about no feature: about everything
		{nil, []string{"cart"}, false},
		{access.PersonIdentity(access.User{Name: "o", Role: access.Operator}), nil, true},
		{access.ServiceIdentity(&access.Key{ID: "x", Scopes: []access.Scope{"publish:cart"}}), []string{"cart"}, false},
		{access.ServiceIdentity(&access.Key{ID: "x", Scopes: []access.Scope{"control"}}), []string{"cart"}, true},
	} {
		if got := c.id.MayControl(c.features...); got != c.want {
			t.Errorf("%+v may control %v: %v", c.id, c.features, got)
		}
	}
}

// fakeStore holds keys and counts how often it is asked.
type fakeStore struct {
	access.Store

	mu    sync.Mutex
	keys  map[string]access.Key
	reads int
	used  map[string]time.Time
	fail  error
}

func (f *fakeStore) Key(_ context.Context, id string) (access.Key, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	k, ok := f.keys[id]
	if !ok {
		return k, access.ErrNoKey
	}
	return k, nil
}

func (f *fakeStore) TouchKeys(_ context.Context, used map[string]time.Time) error {
	if f.fail != nil {
		return f.fail
	}
	f.used = used
	return nil
}

func TestKeyring(t *testing.T) {
	t.Parallel()
	now := t0
	k, token, err := access.NewKey(access.NewKeyOptions{Name: "shop", Scopes: []string{"read"}, Expires: time.Hour}, t0)
	if err != nil {
		t.Fatal(err)
	}
	_, stranger, _ := access.NewKey(access.NewKeyOptions{Name: "shop", Scopes: []string{"read"}}, t0)
	f := &fakeStore{keys: map[string]access.Key{k.ID: k}}
	r := access.NewKeyring(access.KeyringOptions{Store: f, Now: func() time.Time { return now }})

	for range 3 {
		id, err := r.Identify(t.Context(), token)
		if err != nil || id.KeyID != k.ID || !id.May(access.Read) {
			t.Fatalf("%+v, %v", id, err)
		}
	}
	if f.reads != 1 {
		t.Errorf("the store was asked %d times, want once", f.reads)
	}
	for name, bad := range map[string]string{"empty": "", "noise": "hello", "unknown": stranger} {
		if _, err := r.Identify(t.Context(), bad); !errors.Is(err, access.ErrUnauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}

	if id, err := r.IdentityOf(t.Context(), k.ID); err != nil || id.KeyID != k.ID {
		t.Errorf("by id: %+v, %v", id, err)
	}
	if _, err := r.IdentityOf(t.Context(), "nobody"); !errors.Is(err, access.ErrUnauthenticated) {
		t.Errorf("unknown id: %v", err)
	}
	revoked := k
	revoked.RevokedAt = now
	f.keys[k.ID] = revoked
	r.Forget(k.ID)
	if _, err := r.Identify(t.Context(), token); !errors.Is(err, access.ErrUnauthenticated) {
		t.Errorf("revoked and forgotten: %v", err)
	}
	if _, err := r.IdentityOf(t.Context(), k.ID); !errors.Is(err, access.ErrUnauthenticated) {
		t.Errorf("revoked, by id: %v", err)
	}
	f.keys[k.ID] = k
	r.Forget(k.ID)
	if _, err := r.Identify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	f.keys[k.ID] = revoked
	if _, err := r.Identify(t.Context(), token); err != nil {
		t.Errorf("within Fresh the memory is believed: %v", err)
	}
	now = now.Add(5 * time.Second)
	if _, err := r.Identify(t.Context(), token); !errors.Is(err, access.ErrUnauthenticated) || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("after Fresh: %v", err)
	}
	f.keys[k.ID] = k
	r.Forget(k.ID)
	if _, err := r.Identify(t.Context(), token); err != nil {
		t.Errorf("after Forget: %v", err)
	}
	now = t0.Add(time.Hour)
	if _, err := r.Identify(t.Context(), token); !errors.Is(err, access.ErrUnauthenticated) || !strings.Contains(err.Error(), "expired") {
		t.Errorf("expired: %v", err)
	}
}

func TestLastUsesAreKeptUntilTheyAreWritten(t *testing.T) {
	t.Parallel()
	k, token, _ := access.NewKey(access.NewKeyOptions{Name: "shop", Scopes: []string{"read"}}, t0)
	f := &fakeStore{keys: map[string]access.Key{k.ID: k}, fail: errors.New("disk")}
	r := access.NewKeyring(access.KeyringOptions{Store: f, Now: func() time.Time { return t0 }})
	if _, err := r.Identify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if err := r.Flush(t.Context()); !errors.Is(err, f.fail) {
		t.Fatalf("flush: %v", err)
	}
	f.fail = nil
	if err := r.Flush(t.Context()); err != nil || !f.used[k.ID].Equal(t0) {
		t.Errorf("used %v, %v", f.used, err)
	}
}
