package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/audit"
)

func by(at time.Time) access.Change {
	return access.Change{Actor: "user:root", Reason: "test", At: at}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error %v; want %v", err, target)
	}
}

// lastRecords returns the actions of the newest audit entries, newest first.
func lastRecords(t *testing.T, s *Store, n int) []string {
	t.Helper()
	entries, err := s.Entries(t.Context(), audit.Query{Limit: n})
	must(t, err)
	out := []string{}
	for _, e := range entries {
		out = append(out, e.Action)
	}
	return out
}

func TestTheFirstAdministratorIsMadeByALinkOnce(t *testing.T) {
	t.Parallel()
	s := open4test(t)
	ctx := t.Context()
	first, _ := access.NewInvite("", t0)
	must(t, s.CreateInvite(ctx, first, by(t0)))
	second, _ := access.NewInvite("", t0.Add(time.Minute))
	must(t, s.CreateInvite(ctx, second, by(t0)))
	if _, err := s.Invite(ctx, first.Hash, t0); !errors.Is(err, access.ErrSignIn) {
		t.Errorf("a newer link leaves the older one good: %v", err)
	}
	if _, err := s.UseInvite(ctx, second.Hash, "bad name", "hash", t0); !errors.Is(err, access.ErrAccount) {
		t.Errorf("bad name: %v", err)
	}
	name, err := s.UseInvite(ctx, second.Hash, "Ana", "hash", t0.Add(time.Hour))
	must(t, err)
	a, err := s.Account(ctx, "ana") // whatever the case
	must(t, err)
	if name != "Ana" || a.Name != "Ana" || a.Role != access.Administrator || !a.HasPassword {
		t.Errorf("%q, %+v", name, a)
	}
	_, err = s.UseInvite(ctx, second.Hash, "Eve", "hash", t0.Add(time.Hour))
	want(t, err, access.ErrSignIn)
	third, _ := access.NewInvite("", t0)
	want(t, s.CreateInvite(ctx, third, by(t0)), access.ErrAccount)
	if got := lastRecords(t, s, 3); !slices.Equal(got, []string{"user.create", "invite.create", "invite.create"}) {
		t.Errorf("audit log %v: a refused change must not be in it", got)
	}
}

func TestALinkForTheFirstSetUpDiesWithTheFirstAccount(t *testing.T) {
	t.Parallel()
	s := open4test(t)
	i, _ := access.NewInvite("", t0)
	must(t, s.CreateInvite(t.Context(), i, by(t0)))
	must(t, s.CreateAccount(t.Context(), "root", access.Administrator, by(t0)))
	_, err := s.Invite(t.Context(), i.Hash, t0)
	want(t, err, access.ErrSignIn)
	_, err = s.UseInvite(t.Context(), i.Hash, "eve", "hash", t0)
	want(t, err, access.ErrSignIn)
}

// TestTheFirstSetUpWaitsForAnAdministrator: who signs in at a provider before that does
// not leave a server that nobody can administer.
func TestTheFirstSetUpWaitsForAnAdministrator(t *testing.T) {
	t.Parallel()
	s := open4test(t)
	ctx := t.Context()
	i, _ := access.NewInvite("", t0)
	must(t, s.CreateInvite(ctx, i, by(t0)))
	e := access.External{Issuer: "https://id.example", Subject: "42", Names: []string{"ana"}, Default: access.Viewer}
	_, err := s.SignInExternal(ctx, e, t0)
	must(t, err)
	_, err = s.UseInvite(ctx, i.Hash, "Ana", "hash", t0)
	want(t, err, access.ErrNameTaken)
	_, err = s.UseInvite(ctx, i.Hash, "root", "hash", t0)
	must(t, err)
	a, err := s.Account(ctx, "root")
	must(t, err)
	if a.Role != access.Administrator {
		t.Errorf("%+v", a)
	}
}

func TestANewPasswordEndsTheLinkForAnother(t *testing.T) {
	t.Parallel()
	s := open4test(t)
	ctx := t.Context()
	must(t, s.CreateAccount(ctx, "ana", access.Viewer, by(t0)))
	must(t, s.CreateAccount(ctx, "ben", access.Viewer, by(t0)))
	ana, _ := access.NewInvite("ana", t0)
	must(t, s.CreateInvite(ctx, ana, by(t0)))
	ben, _ := access.NewInvite("ben", t0)
	must(t, s.CreateInvite(ctx, ben, by(t0)))
	must(t, s.SetPassword(ctx, "ana", "", "hash", "", by(t0)))
	_, err := s.UseInvite(ctx, ana.Hash, "", "another", t0)
	want(t, err, access.ErrSignIn)
	_, err = s.UseInvite(ctx, ben.Hash, "", "hash", t0)
	must(t, err)
}

func TestAnInvitationIsForOnePersonAndEnds(t *testing.T) {
	t.Parallel()
	s := open4test(t)
	ctx := t.Context()
	must(t, s.CreateAccount(ctx, "ana", access.Viewer, by(t0)))
	want(t, s.CreateAccount(ctx, "ANA", access.Viewer, by(t0)), access.ErrNameTaken)
	i, _ := access.NewInvite("Ana", t0)
	must(t, s.CreateInvite(ctx, i, by(t0)))
	_, err := s.UseInvite(ctx, i.Hash, "eve", "hash", t0.Add(access.InviteLife))
	want(t, err, access.ErrSignIn)
	name, err := s.UseInvite(ctx, i.Hash, "eve", "hash", t0)
	must(t, err)
	if name != "ana" {
		t.Errorf("the link made %q", name)
	}
	if entries, err := s.Entries(ctx, audit.Query{Actor: "user:ana", Subject: "user/ana"}); err != nil || len(entries) != 1 {
		t.Errorf("by the name that she has, the audit log has %+v, %v", entries, err)
	}
	other, _ := access.NewInvite("nobody", t0)
	want(t, s.CreateInvite(ctx, other, by(t0)), access.ErrNoAccount)
}

func TestTheLastAdministratorStays(t *testing.T) {
	t.Parallel()
	s := open4test(t)
	ctx := t.Context()
	must(t, s.CreateAccount(ctx, "root", access.Administrator, by(t0)))
	want(t, s.SetRole(ctx, "root", access.Viewer, by(t0)), access.ErrLastAdmin)
	want(t, s.SetDisabled(ctx, "root", true, by(t0)), access.ErrLastAdmin)
	must(t, s.CreateAccount(ctx, "ana", access.Administrator, by(t0)))
	must(t, s.SetDisabled(ctx, "ana", true, by(t0)))
	want(t, s.SetRole(ctx, "root", access.Viewer, by(t0)), access.ErrLastAdmin)
	must(t, s.SetDisabled(ctx, "ana", false, by(t0)))
	must(t, s.SetRole(ctx, "root", access.Viewer, by(t0)))
}

// signIn begins a session as the web does.
func signIn(t *testing.T, s *Store, user, token string, at time.Time) access.Session {
	t.Helper()
	b := access.NewSession(user, access.ByPassword, "192.0.2.1", "test", at)
	st := &Sessions{Store: s, Now: func() time.Time { return at }}
	must(t, st.CommitCtx(access.WithSession(t.Context(), b), token, []byte("data"), b.ExpiresAt))
	return b
}

func TestASessionIsWhatItsPersonMayDoNow(t *testing.T) {
	t.Parallel()
	s := open4test(t)
	ctx := t.Context()
	must(t, s.CreateAccount(ctx, "root", access.Administrator, by(t0)))
	must(t, s.CreateAccount(ctx, "ana", access.Viewer, by(t0)))
	b := signIn(t, s, "ana", "t1", t0)
	u, seen, err := s.SessionUser(ctx, b.ID, t0)
	must(t, err)
	if u.Name != "ana" || u.Role != access.Viewer || !seen.Equal(t0) || len(u.Features) != 0 {
		t.Errorf("%+v seen %s", u, seen)
	}
	must(t, s.SetRole(ctx, "ana", access.Operator, by(t0)))
	must(t, s.PutTeam(ctx, access.Team{Name: "shop", Members: []access.Member{{Name: "Ana"}}, Features: []string{"cart", "checkout"}}, by(t0)))
	u, _, err = s.SessionUser(ctx, b.ID, t0)
	must(t, err)
	if u.Role != access.Operator || !u.Owns("cart") || u.Owns("feed") {
		t.Errorf("after the change: %+v", u)
	}
	_, _, err = s.SessionUser(ctx, b.ID, t0.Add(access.SessionIdle))
	want(t, err, access.ErrNoSession)
	must(t, s.TouchSessions(ctx, map[string]time.Time{b.ID: t0.Add(time.Hour)}))
	_, _, err = s.SessionUser(ctx, b.ID, t0.Add(access.SessionIdle))
	must(t, err)
	must(t, s.SetDisabled(ctx, "ana", true, by(t0)))
	_, _, err = s.SessionUser(ctx, b.ID, t0)
	want(t, err, access.ErrNoSession)
	if a, err := s.Account(ctx, "ana"); err != nil || !a.LastSignIn.Equal(t0) || !slices.Equal(a.Teams, []string{"shop"}) {
		t.Errorf("account %+v, %v", a, err)
	}
}

// TestWhoWasDisabledMeanwhileBeginsNoSession, nor does an ended one choose a password.
func TestWhoWasDisabledMeanwhileBeginsNoSession(t *testing.T) {
	t.Parallel()
	s := open4test(t)
	ctx := t.Context()
	must(t, s.CreateAccount(ctx, "ana", access.Viewer, by(t0)))
	b := signIn(t, s, "ana", "t1", t0)
	must(t, s.SetDisabled(ctx, "ana", true, by(t0)))
	st := &Sessions{Store: s, Now: func() time.Time { return t0 }}
	late := access.NewSession("ana", access.ByLink, "192.0.2.1", "test", t0)
	want(t, st.CommitCtx(access.WithSession(ctx, late), "t2", []byte("data"), late.ExpiresAt), access.ErrDisabled)
	must(t, s.SetDisabled(ctx, "ana", false, by(t0)))
	if _, found, err := st.Find("t2"); found || err != nil {
		t.Errorf("the cookie is good: %v, %v", found, err)
	}
	want(t, s.SetPassword(ctx, "ana", "", "hash", b.ID, by(t0)), access.ErrNoSession)
	b = signIn(t, s, "ana", "t3", t0)
	must(t, s.SetPassword(ctx, "ana", "", "hash", b.ID, by(t0)))
}

func TestSessionsEndOneByOneAndAllAtOnce(t *testing.T) {
	t.Parallel()
	s := open4test(t)
	ctx := t.Context()
	must(t, s.CreateAccount(ctx, "ana", access.Viewer, by(t0)))
	must(t, s.CreateAccount(ctx, "ben", access.Viewer, by(t0)))
	one, two, three := signIn(t, s, "ana", "t1", t0), signIn(t, s, "ana", "t2", t0), signIn(t, s, "ana", "t3", t0)
	other := signIn(t, s, "ben", "t4", t0)
	want(t, s.EndSession(ctx, "ben", one.ID, by(t0)), access.ErrNoSession) // not his
	must(t, s.EndSession(ctx, "ana", one.ID, by(t0)))
	n, err := s.EndSessions(ctx, "ana", two.ID, by(t0))
	must(t, err)
	left, err := s.Sessions(ctx, "ana", t0)
	must(t, err)
	if n != 1 || len(left) != 1 || left[0].ID != two.ID {
		t.Errorf("ended %d, left %+v", n, left)
	}
	_, _, err = s.SessionUser(ctx, three.ID, t0)
	want(t, err, access.ErrNoSession)
	st := &Sessions{Store: s, Now: func() time.Time { return t0 }}
	for token, want := range map[string]bool{"t1": false, "t2": true, "t3": false, "t4": true} {
		if _, found, err := st.Find(token); err != nil || found != want {
			t.Errorf("the cookie %s is good: %v, %v", token, found, err)
		}
	}
	must(t, s.SetPassword(ctx, "ben", "", "hash", "", by(t0)))
	_, _, err = s.SessionUser(ctx, other.ID, t0)
	want(t, err, access.ErrNoSession)
}

func TestAFeatureHasOneOwningTeam(t *testing.T) {
	t.Parallel()
	s := open4test(t)
	ctx := t.Context()
	must(t, s.PutTeam(ctx, access.Team{Name: "shop", Features: []string{"cart"}}, by(t0)))
	want(t, s.PutTeam(ctx, access.Team{Name: "pay", Features: []string{"cart"}}, by(t0)), access.ErrOwned)
	want(t, s.PutTeam(ctx, access.Team{Name: "pay", Members: []access.Member{{Name: "nobody"}}}, by(t0)), access.ErrNoAccount)
	want(t, s.PutTeam(ctx, access.Team{Name: "No Team"}, by(t0)), access.ErrAccount)
	want(t, s.PutTeam(ctx, access.Team{Name: "pay", Features: []string{"a b"}}, by(t0)), access.ErrAccount)
	all, err := s.Teams(ctx)
	must(t, err)
	if len(all) != 1 || all[0].Name != "shop" {
		t.Errorf("teams %+v: what was refused must not be half there", all)
	}
	must(t, s.DeleteTeam(ctx, "shop", by(t0)))
	want(t, s.DeleteTeam(ctx, "shop", by(t0)), access.ErrNoTeam)
	must(t, s.PutTeam(ctx, access.Team{Name: "pay", Features: []string{"cart"}}, by(t0)))
}

func TestAProviderNamesPeopleAndNeverTakesOver(t *testing.T) {
	t.Parallel()
	s := open4test(t)
	ctx := t.Context()
	must(t, s.CreateAccount(ctx, "root", access.Administrator, by(t0)))
	must(t, s.PutTeam(ctx, access.Team{Name: "shop"}, by(t0)))
	e := access.External{
		Issuer: "https://id.example", Subject: "42", Names: []string{"root", "root@example.org"},
		Role: "", Default: access.Viewer, SetTeams: true, Teams: []string{"shop", "unknown"},
	}
	a, err := s.SignInExternal(ctx, e, t0)
	must(t, err)
	if a.Name != "root@example.org" || a.Role != access.Viewer {
		t.Errorf("%+v: the name of another account must not be taken", a)
	}
	teams, err := s.Teams(ctx)
	must(t, err)
	if len(teams[0].Members) != 1 || !teams[0].Members[0].Claim {
		t.Errorf("members %+v", teams[0].Members)
	}
	// Saving the team here keeps whom the provider named.
	must(t, s.PutTeam(ctx, access.Team{Name: "shop", Members: []access.Member{{Name: "root"}}}, by(t0)))
	e.Role, e.Teams = access.Operator, nil
	b, err := s.SignInExternal(ctx, e, t0)
	must(t, err)
	teams, err = s.Teams(ctx)
	must(t, err)
	if b.Name != a.Name || b.Role != access.Operator || len(teams[0].Members) != 1 || teams[0].Members[0].Name != "root" {
		t.Errorf("%+v, members %+v", b, teams[0].Members)
	}
	e.Subject, e.Names = "43", []string{"root", "ROOT@example.org"}
	c, err := s.SignInExternal(ctx, e, t0)
	must(t, err)
	if c.Name != "root-2" {
		t.Errorf("name %q when all are taken", c.Name)
	}
	must(t, s.SetDisabled(ctx, c.Name, true, by(t0)))
	_, err = s.SignInExternal(ctx, e, t0)
	want(t, err, access.ErrDisabled)
}

// TestWhomAProviderGivesNoRoleIsSentAway: a session that began before does not outlive the
// role.
func TestWhomAProviderGivesNoRoleIsSentAway(t *testing.T) {
	t.Parallel()
	s := open4test(t)
	ctx := t.Context()
	e := access.External{Issuer: "https://id.example", Subject: "42", Names: []string{"ana"}, NoRole: true}
	_, err := s.SignInExternal(ctx, e, t0)
	want(t, err, access.ErrForbidden)
	_, err = s.Account(ctx, "ana")
	want(t, err, access.ErrNoAccount)
	e.Role, e.NoRole = access.Operator, false
	_, err = s.SignInExternal(ctx, e, t0)
	must(t, err)
	before := signIn(t, s, "ana", "token", t0)
	e.Role, e.NoRole = "", true
	for range 2 {
		_, err = s.SignInExternal(ctx, e, t0)
		want(t, err, access.ErrForbidden)
	}
	_, _, err = s.SessionUser(ctx, before.ID, t0)
	want(t, err, access.ErrNoSession)
	if got := lastRecords(t, s, 2); !slices.Equal(got, []string{"session.end_all", "session.begin"}) {
		t.Errorf("audit log %v", got)
	}
	// Where roles are managed here, who has an account comes in though nobody new does.
	e.NoRole = false
	_, err = s.SignInExternal(ctx, e, t0)
	must(t, err)
	e.Subject = "43"
	_, err = s.SignInExternal(ctx, e, t0)
	want(t, err, access.ErrForbidden)
}

func TestASignInLinkMakesAnAccountOnlyWhenThereIsNone(t *testing.T) {
	t.Parallel()
	s := open4test(t)
	ctx := t.Context()
	use := func(name string, role access.Role) (access.User, error) {
		l, token := access.NewSignIn(access.User{Name: name, Role: role}, t0)
		must(t, s.CreateSignIn(ctx, l, "cli:test"))
		return s.UseSignIn(ctx, access.SignInHash(token), t0)
	}
	u, err := use("root", "")
	must(t, err)
	if u.Role != access.Administrator {
		t.Errorf("the first is %q", u.Role)
	}
	must(t, s.CreateAccount(ctx, "ana", access.Viewer, by(t0)))
	if u, err = use("ana", ""); err != nil || u.Role != access.Viewer {
		t.Errorf("%+v, %v: a link without a role leaves it", u, err)
	}
	if u, err = use("ana", access.Operator); err != nil || u.Role != access.Operator {
		t.Errorf("%+v, %v: a link with a role sets it", u, err)
	}
	must(t, s.SetDisabled(ctx, "ana", true, by(t0)))
	_, err = use("ana", "")
	want(t, err, access.ErrDisabled)
}

func TestAKeyIsRotatedWithAnOverlap(t *testing.T) {
	t.Parallel()
	s := open4test(t)
	ctx := t.Context()
	k, token := newKey(t, "shop", 30*24*time.Hour, "publish:cart")
	must(t, s.CreateKey(ctx, k, "cli:test", ""))
	at := t0.Add(24 * time.Hour)
	old, next, newToken, err := k.Rotate(2*time.Hour, at)
	must(t, err)
	must(t, s.RotateKey(ctx, old, next, "cli:test", "yearly"))
	now := at
	ring := access.NewKeyring(access.KeyringOptions{Store: s, Now: func() time.Time { return now }})
	good := func(token string) bool {
		_, err := ring.Identify(ctx, token)
		return err == nil
	}
	if !good(token) || !good(newToken) {
		t.Error("both keys must be good during the overlap")
	}
	now = at.Add(2 * time.Hour)
	if good(token) || !good(newToken) {
		t.Error("after the overlap the old key must be bad and the new one good")
	}
	if got, err := s.Key(ctx, next.ID); err != nil || !got.ExpiresAt.Equal(at.Add(30*24*time.Hour)) {
		t.Errorf("the successor %+v, %v must be good for as long as the old one was meant to be", got, err)
	}
	if _, _, _, err := old.Rotate(time.Hour, now); !errors.Is(err, access.ErrKeyName) {
		t.Errorf("rotating a dead key: %v", err)
	}
	again, other, _, err := next.Rotate(time.Hour, at)
	must(t, err)
	want(t, s.RotateKey(ctx, again, other, "cli:test", ""), access.ErrTooManyKeys) // two are live at that time
	if got := lastRecords(t, s, 2); !slices.Equal(got, []string{"key.rotate", "key.create"}) {
		t.Errorf("audit log %v", got)
	}
}

func TestNoSecretIsInTheAuditLog(t *testing.T) {
	t.Parallel()
	s := open4test(t)
	ctx := t.Context()
	must(t, s.CreateAccount(ctx, "ana", access.Viewer, by(t0)))
	must(t, s.SetPassword(ctx, "ana", "", "$argon2id$secret", "", by(t0)))
	signIn(t, s, "ana", "cookie-secret", t0)
	hook := flags.Webhook{ID: "h", Name: "chat", URL: "https://chat.example/path-secret?token=query-secret", Secret: "whsec_signing-secret", CreatedAt: t0}
	must(t, s.PutWebhook(ctx, hook, "ana", "", t0))
	hook.URL = "https://chat.example/other-secret"
	must(t, s.PutWebhook(ctx, hook, "ana", "", t0))
	must(t, s.DeleteWebhook(ctx, hook.ID, "ana", "", t0))
	entries, err := s.Entries(ctx, audit.Query{})
	must(t, err)
	raw, err := json.Marshal(entries)
	must(t, err)
	for _, secret := range []string{"argon2id", "cookie-secret", "path-secret", "query-secret", "other-secret", "signing-secret"} {
		if strings.Contains(string(raw), secret) || len(entries) != 6 {
			t.Errorf("%q is in %s", secret, raw)
		}
	}
	for _, e := range entries {
		if e.Subject == "webhook/h" && (e.Before != nil && !strings.Contains(string(e.Before), "https://chat.example") || string(e.Before) == string(e.After)) {
			t.Errorf("what changed is not told: %s, then %s", e.Before, e.After)
		}
	}
	if _, err := s.Verify(context.WithoutCancel(ctx)); err != nil {
		t.Error(err)
	}
}
