package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"tidemark/flags/access"
	"tidemark/flags/audit"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 123, time.UTC)

func open4test(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "with space?#.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newKey(t *testing.T, name string, expires time.Duration, scopes ...string) (access.Key, string) {
	t.Helper()
	k, token, err := access.NewKey(access.NewKeyOptions{Name: name, Scopes: scopes, Expires: expires}, t0)
	if err != nil {
		t.Fatal(err)
	}
	return k, token
}

func TestAKeyIsKeptAndFound(t *testing.T) {
	t.Parallel()
	s := open4test(t)
	k, token := newKey(t, "shop", time.Hour, "publish:cart", "read")
	if err := s.CreateKey(t.Context(), k, "cli:test", "first"); err != nil {
		t.Fatal(err)
	}
	got, err := s.Key(t.Context(), k.ID)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Is(token) || got.Name != "shop" || len(got.Scopes) != 2 || !got.ExpiresAt.Equal(t0.Add(time.Hour)) {
		t.Errorf("got %+v", got)
	}
	if err := s.TouchKeys(t.Context(), map[string]time.Time{k.ID: t0.Add(time.Minute), "unknown": t0}); err != nil {
		t.Fatal(err)
	}
	if err := s.TouchKeys(t.Context(), map[string]time.Time{k.ID: t0}); err != nil {
		t.Fatal(err)
	}
	keys, err := s.Keys(t.Context())
	if err != nil || len(keys) != 1 || !keys[0].LastUsed.Equal(t0.Add(time.Minute)) {
		t.Errorf("keys %+v, %v: last use must only move forward", keys, err)
	}
	if _, err := s.Key(t.Context(), "none"); !errors.Is(err, access.ErrNoKey) {
		t.Errorf("unknown key: %v", err)
	}
}

func TestANameHasAtMostTwoLiveKeys(t *testing.T) {
	t.Parallel()
	s := open4test(t)
	first, _ := newKey(t, "shop", 0, "read")
	second, _ := newKey(t, "shop", 0, "read")
	third, _ := newKey(t, "shop", 0, "read")
	other, _ := newKey(t, "other", 0, "read")
	for _, k := range []access.Key{first, second, other} {
		if err := s.CreateKey(t.Context(), k, "cli:test", ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.CreateKey(t.Context(), third, "cli:test", ""); !errors.Is(err, access.ErrTooManyKeys) {
		t.Fatalf("third live key: %v", err)
	}
	if err := s.RevokeKey(t.Context(), first.ID, t0, "cli:test", "rotation"); err != nil {
		t.Fatal(err)
	}
	if err := s.CreateKey(t.Context(), third, "cli:test", ""); err != nil {
		t.Errorf("after a revocation: %v", err)
	}
	if err := s.RevokeKey(t.Context(), "none", t0, "cli:test", ""); !errors.Is(err, access.ErrNoKey) {
		t.Errorf("revoke unknown: %v", err)
	}
}

func TestASignInLinkWorksOnceAndInTime(t *testing.T) {
	t.Parallel()
	s := open4test(t)
	l, token := access.NewSignIn(access.User{Name: "operator", Role: access.Administrator}, t0)
	if err := s.CreateSignIn(t.Context(), l, "cli:serve"); err != nil {
		t.Fatal(err)
	}
	late, lateToken := access.NewSignIn(access.User{Name: "late", Role: access.Viewer}, t0)
	if err := s.CreateSignIn(t.Context(), late, "cli:serve"); err != nil {
		t.Fatal(err)
	}
	u, err := s.UseSignIn(t.Context(), access.SignInHash(token), t0.Add(time.Minute))
	if err != nil || u.Role != access.Administrator || u.Name != "operator" {
		t.Fatalf("first use: %+v, %v", u, err)
	}
	if _, err := s.UseSignIn(t.Context(), access.SignInHash(token), t0.Add(time.Minute)); !errors.Is(err, access.ErrSignIn) {
		t.Errorf("second use: %v", err)
	}
	if _, err := s.UseSignIn(t.Context(), access.SignInHash(lateToken), t0.Add(access.SignInLife)); !errors.Is(err, access.ErrSignIn) {
		t.Errorf("use after expiry: %v", err)
	}
}

func TestSessionsExpire(t *testing.T) {
	t.Parallel()
	now := t0
	s := &Sessions{Store: open4test(t), Now: func() time.Time { return now }}
	if err := s.Commit("a", []byte("x"), t0.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if b, found, err := s.Find("a"); err != nil || !found || string(b) != "x" {
		t.Errorf("find: %q %v %v", b, found, err)
	}
	now = t0.Add(time.Hour)
	if _, found, err := s.Find("a"); err != nil || found {
		t.Errorf("an expired session was found (%v)", err)
	}
	if err := s.Prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	now = t0
	if _, found, _ := s.Find("a"); found {
		t.Error("prune left an expired session")
	}
	if err := s.Delete("never was"); err != nil {
		t.Error(err)
	}
}

func recordSome(t *testing.T, s *Store, n int) {
	t.Helper()
	for i := range n {
		err := s.change(t.Context(), func(*sql.Tx) (audit.Record, error) {
			after, err := audit.State(map[string]any{"z": 1.50, "a": i})
			return audit.Record{At: t0.Add(time.Duration(i)), Actor: "a", Action: "x.do", Subject: "s", After: after}, err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestEveryEntryAndEveryHeadIsProvable(t *testing.T) {
	t.Parallel()
	s := open4test(t)
	heads := make([]audit.Head, 1, 12)
	for range 11 {
		recordSome(t, s, 1)
		h, err := s.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		heads = append(heads, h)
	}
	last := heads[11]
	for i := range int64(11) {
		_, leaf, err := s.Entry(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		proof, err := s.ProveEntry(t.Context(), 11, i)
		if err != nil {
			t.Fatal(err)
		}
		if err := audit.CheckEntry(last, i, leaf, proof); err != nil {
			t.Errorf("entry %d: %v", i, err)
		}
		if err := audit.CheckEntry(last, i, append(leaf, ' '), proof); !errors.Is(err, audit.ErrTampered) {
			t.Errorf("a changed leaf %d passed", i)
		}
		tree, err := s.ProveHead(t.Context(), 11, i+1)
		if err != nil {
			t.Fatal(err)
		}
		if err := audit.CheckHead(last, heads[i+1], tree); err != nil {
			t.Errorf("head %d: %v", i+1, err)
		}
	}
	if _, err := s.ProveEntry(t.Context(), 12, 3); !errors.Is(err, audit.ErrNoEntry) {
		t.Errorf("a head that is not yet: %v", err)
	}
	if h, err := s.Verify(t.Context()); err != nil || h != last {
		t.Errorf("verify: %+v, %v", h, err)
	}
}

func TestVerifyFindsTampering(t *testing.T) {
	t.Parallel()
	for name, stmt := range map[string]string{
		"changed leaf":         `UPDATE audit_entries SET leaf = CAST(replace(CAST(leaf AS TEXT), '"s"', '"t"') AS BLOB), subject = 't' WHERE n = 2`,
		"changed column":       `UPDATE audit_entries SET actor = 'b' WHERE n = 2`,
		"removed in between":   `DELETE FROM audit_entries WHERE n = 2`,
		"removed at the end":   `DELETE FROM audit_entries WHERE n = 5`,
		"changed hash":         `UPDATE audit_hashes SET hash = zeroblob(32) WHERE i = 2`,
		"removed hash":         `DELETE FROM audit_hashes WHERE i = 3`,
		"swapped neighbours":   `UPDATE audit_entries SET n = CASE n WHEN 2 THEN 103 WHEN 3 THEN 102 ELSE n END`,
		"leaf is not an entry": `UPDATE audit_entries SET leaf = x'78' WHERE n = 0`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open4test(t)
			recordSome(t, s, 6)
			if _, err := s.Verify(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := s.write.ExecContext(t.Context(), stmt); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Verify(t.Context()); !errors.Is(err, audit.ErrTampered) {
				t.Errorf("verify: %v", err)
			}
		})
	}
}

func TestAFailedChangeLeavesNoRecord(t *testing.T) {
	t.Parallel()
	s := open4test(t)
	recordSome(t, s, 1)
	boom := errors.New("boom")
	if err := s.change(t.Context(), func(tx *sql.Tx) (audit.Record, error) {
		_, err := tx.ExecContext(t.Context(), "DELETE FROM audit_entries")
		return audit.Record{}, errors.Join(boom, err)
	}); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if err := s.change(t.Context(), func(*sql.Tx) (audit.Record, error) {
		return audit.Record{At: t0, Actor: "a"}, nil
	}); !errors.Is(err, audit.ErrRecord) {
		t.Errorf("a record without action: %v", err)
	}
	h, err := s.Verify(t.Context())
	if err != nil || h.Size != 1 {
		t.Errorf("log: %+v, %v", h, err)
	}
}

func TestEntriesAreFilteredNewestFirst(t *testing.T) {
	t.Parallel()
	s := open4test(t)
	recordSome(t, s, 4)
	k, _ := newKey(t, "shop", 0, "read")
	if err := s.CreateKey(t.Context(), k, "cli:test", "why"); err != nil {
		t.Fatal(err)
	}
	page, err := s.Entries(t.Context(), audit.Query{Limit: 2})
	if err != nil || len(page) != 2 || page[0].Action != "key.create" || page[0].Reason != "why" || page[1].Index != 3 {
		t.Fatalf("%+v, %v", page, err)
	}
	page, err = s.Entries(t.Context(), audit.Query{Action: "x.do", Before: 2})
	if err != nil || len(page) != 2 || page[0].Index != 1 {
		t.Errorf("%+v, %v", page, err)
	}
}

func TestABackupIsWhole(t *testing.T) {
	t.Parallel()
	s := open4test(t)
	recordSome(t, s, 3)
	path := filepath.Join(t.TempDir(), "copy.db")
	p, err := s.Pin(t.Context(), func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	recordSome(t, s, 2) // after the moment
	if err := errors.Join(p.CopyTo(t.Context(), path), p.Close()); err != nil {
		t.Fatal(err)
	}
	c, err := Open(context.WithoutCancel(t.Context()), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if h, err := c.Verify(t.Context()); err != nil || h.Size != 3 {
		t.Errorf("%+v, %v", h, err)
	}
	if err := c.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if v, err := c.Version(t.Context()); err != nil || v < 2 {
		t.Errorf("version %d, %v", v, err)
	}
}
