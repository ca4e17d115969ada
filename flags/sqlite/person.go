package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/audit"
)

var _ access.People = (*Store)(nil)

const accountColumns = "name, role, password <> '', issuer, subject, created_at, disabled_at, last_sign_in"

func userSubject(name string) string { return "user/" + name }

func scanAccount(row scanner) (access.Account, error) {
	var (
		a                           access.Account
		role                        string
		created, disabled, lastSign int64
	)
	if err := row.Scan(&a.Name, &role, &a.HasPassword, &a.Issuer, &a.Subject, &created, &disabled, &lastSign); err != nil {
		return a, err
	}
	a.Role = access.Role(role)
	a.CreatedAt, a.DisabledAt, a.LastSignIn = fromNanos(created), fromNanos(disabled), fromNanos(lastSign)
	return a, nil
}

// auditedAccount is what the audit log says of an account: nothing of its password.
func auditedAccount(a access.Account) (json.RawMessage, error) {
	state := map[string]any{"name": a.Name, "role": a.Role}
	if a.Issuer != "" {
		state["issuer"], state["subject"] = a.Issuer, a.Subject
	}
	if !a.DisabledAt.IsZero() {
		state["disabled_at"] = a.DisabledAt
	}
	return audit.State(state)
}

// recordOf is a change as the audit log keeps it.
func recordOf(c access.Change, action, subject string, before, after json.RawMessage) audit.Record {
	return audit.Record{At: c.At, Actor: c.Actor, Action: action, Subject: subject, Reason: c.Reason, Before: before, After: after}
}

// Accounts implements access.People.
func (s *Store) Accounts(ctx context.Context) ([]access.Account, error) {
	all, err := list(ctx, s.read, scanAccount, "SELECT "+accountColumns+" FROM users ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("accounts: %w", err)
	}
	teams, err := teamsOf(ctx, s.read, "")
	for i := range all {
		all[i].Teams = teams[strings.ToLower(all[i].Name)]
	}
	return all, err
}

// list returns every row of a query.
func list[T any](ctx context.Context, q querier, scan func(scanner) (T, error), query string, args ...any) (out []T, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	out = []T{}
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// teamsOf returns the teams by member, in small letters; name "" means everybody.
func teamsOf(ctx context.Context, q querier, name string) (map[string][]string, error) {
	type pair struct{ team, user string }
	pairs, err := list(ctx, q, func(row scanner) (p pair, err error) {
		return p, row.Scan(&p.team, &p.user)
	}, "SELECT team, user_name FROM team_members WHERE ?1 = '' OR user_name = ?1 ORDER BY team", name)
	if err != nil {
		return nil, fmt.Errorf("teams of %q: %w", name, err)
	}
	out := map[string][]string{}
	for _, p := range pairs {
		k := strings.ToLower(p.user)
		out[k] = append(out[k], p.team)
	}
	return out, nil
}

// Account implements access.People.
func (s *Store) Account(ctx context.Context, name string) (access.Account, error) {
	a, err := account(ctx, s.read, name)
	if err != nil {
		return a, err
	}
	teams, err := teamsOf(ctx, s.read, a.Name)
	a.Teams = teams[strings.ToLower(a.Name)]
	return a, err
}

func account(ctx context.Context, q querier, name string) (access.Account, error) {
	a, err := scanAccount(q.QueryRowContext(ctx, "SELECT "+accountColumns+" FROM users WHERE name = ?", name))
	if errors.Is(err, sql.ErrNoRows) {
		return a, fmt.Errorf("%q: %w", name, access.ErrNoAccount)
	}
	if err != nil {
		return a, fmt.Errorf("account %q: %w", name, err)
	}
	return a, nil
}

// countAdmins counts administrators; where there is one, there always is.
func countAdmins(ctx context.Context, q querier) (n int, err error) {
	if err := q.QueryRowContext(ctx, "SELECT count(*) FROM users WHERE role = 'admin'").Scan(&n); err != nil {
		return 0, fmt.Errorf("administrators: %w", err)
	}
	return n, nil
}

// CreateAccount implements access.People.
func (s *Store) CreateAccount(ctx context.Context, name string, role access.Role, c access.Change) error {
	return s.change(ctx, func(tx *sql.Tx) (audit.Record, error) {
		return insertAccount(ctx, tx, access.Account{Name: name, Role: role, CreatedAt: c.At}, "", c)
	})
}

func insertAccount(ctx context.Context, tx *sql.Tx, a access.Account, password string, c access.Change) (audit.Record, error) {
	if err := access.CheckAccountName(a.Name); err != nil {
		return audit.Record{}, err
	}
	switch _, err := account(ctx, tx, a.Name); {
	case err == nil:
		return audit.Record{}, fmt.Errorf("account %q: %w", a.Name, access.ErrNameTaken)
	case !errors.Is(err, access.ErrNoAccount):
		return audit.Record{}, err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO users (name, role, password, issuer, subject, created_at, disabled_at, last_sign_in)
		VALUES (?, ?, ?, ?, ?, ?, 0, 0)`, a.Name, string(a.Role), password, a.Issuer, a.Subject, nanos(a.CreatedAt))
	if err != nil {
		return audit.Record{}, fmt.Errorf("create account %q: %w", a.Name, err)
	}
	after, err := auditedAccount(a)
	return recordOf(c, "user.create", userSubject(a.Name), nil, after), err
}

// SetRole implements access.People.
func (s *Store) SetRole(ctx context.Context, name string, role access.Role, c access.Change) error {
	return s.change(ctx, func(tx *sql.Tx) (audit.Record, error) {
		a, err := account(ctx, tx, name)
		if err != nil {
			return audit.Record{}, err
		}
		return setRole(ctx, tx, a, role, c)
	})
}

func setRole(ctx context.Context, tx *sql.Tx, a access.Account, role access.Role, c access.Change) (audit.Record, error) {
	if role != access.Administrator {
		if err := checkOtherAdmin(ctx, tx, a); err != nil {
			return audit.Record{}, err
		}
	}
	before, err := auditedAccount(a)
	if err != nil {
		return audit.Record{}, err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE users SET role = ? WHERE name = ?", string(role), a.Name); err != nil {
		return audit.Record{}, fmt.Errorf("role of %q: %w", a.Name, err)
	}
	a.Role = role
	after, err := auditedAccount(a)
	return recordOf(c, "user.role", userSubject(a.Name), before, after), err
}

// checkOtherAdmin refuses to take the last administrator away.
func checkOtherAdmin(ctx context.Context, tx *sql.Tx, a access.Account) error {
	if a.Role != access.Administrator || !a.DisabledAt.IsZero() {
		return nil
	}
	var others int
	err := tx.QueryRowContext(ctx, "SELECT count(*) FROM users WHERE role = 'admin' AND disabled_at = 0 AND name <> ?", a.Name).Scan(&others)
	if err != nil {
		return fmt.Errorf("administrators: %w", err)
	}
	if others == 0 {
		return fmt.Errorf("%w: %s; make somebody else one first", access.ErrLastAdmin, a.Name)
	}
	return nil
}

// SetDisabled implements access.People.
func (s *Store) SetDisabled(ctx context.Context, name string, disabled bool, c access.Change) error {
	return s.change(ctx, func(tx *sql.Tx) (audit.Record, error) {
		a, err := account(ctx, tx, name)
		if err != nil {
			return audit.Record{}, err
		}
		before, err := auditedAccount(a)
		if err != nil {
			return audit.Record{}, err
		}
		action := "user.enable"
		if disabled {
			action = "user.disable"
			if err := disable(ctx, tx, &a, c.At); err != nil {
				return audit.Record{}, err
			}
		} else {
			a.DisabledAt = time.Time{}
		}
		if _, err := tx.ExecContext(ctx, "UPDATE users SET disabled_at = ? WHERE name = ?", nanos(a.DisabledAt), a.Name); err != nil {
			return audit.Record{}, fmt.Errorf("disable %q: %w", a.Name, err)
		}
		after, err := auditedAccount(a)
		return recordOf(c, action, userSubject(a.Name), before, after), err
	})
}

func disable(ctx context.Context, tx *sql.Tx, a *access.Account, at time.Time) error {
	if err := checkOtherAdmin(ctx, tx, *a); err != nil {
		return err
	}
	if a.DisabledAt.IsZero() {
		a.DisabledAt = at.UTC().Round(0)
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM invites WHERE user_name = ?", a.Name); err != nil {
		return fmt.Errorf("invitations of %q: %w", a.Name, err)
	}
	_, err := endSessions(ctx, tx, a.Name, "")
	return err
}

// PasswordHash implements access.People.
func (s *Store) PasswordHash(ctx context.Context, name string) (string, error) {
	return passwordHash(ctx, s.read, name)
}

func passwordHash(ctx context.Context, q querier, name string) (string, error) {
	var hash string
	err := q.QueryRowContext(ctx, "SELECT CASE disabled_at WHEN 0 THEN password ELSE '' END FROM users WHERE name = ?", name).Scan(&hash)
	if errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("%q: %w", name, access.ErrNoAccount)
	}
	if err != nil {
		return "", fmt.Errorf("password of %q: %w", name, err)
	}
	return hash, nil
}

// SetPassword implements access.People.
func (s *Store) SetPassword(ctx context.Context, name, old, hash, keep string, c access.Change) error {
	return s.changes(ctx, func(tx *sql.Tx) ([]audit.Record, error) {
		if err := checkPassword(ctx, tx, name, old); err != nil {
			return nil, err
		}
		if keep != "" {
			err := tx.QueryRowContext(ctx, "SELECT id FROM user_sessions WHERE id = ? AND user_name = ?", keep, name).Scan(&keep)
			if errors.Is(err, sql.ErrNoRows) {
				err = access.ErrNoSession
			}
			if err != nil {
				return nil, fmt.Errorf("password of %q: %w", name, err)
			}
		}
		return setPassword(ctx, tx, name, hash, keep, c)
	})
}

// checkPassword refuses when the stored hash is not the one that was looked at.
func checkPassword(ctx context.Context, q querier, name, looked string) error {
	now, err := passwordHash(ctx, q, name)
	if err == nil && now != looked {
		err = fmt.Errorf("password of %q: %w", name, flags.ErrChanged)
	}
	return err
}

func setPassword(ctx context.Context, tx *sql.Tx, name, hash, keep string, c access.Change) ([]audit.Record, error) {
	a, err := account(ctx, tx, name)
	if err != nil {
		return nil, err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE users SET password = ? WHERE name = ?", hash, a.Name); err != nil {
		return nil, fmt.Errorf("password of %q: %w", a.Name, err)
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM invites WHERE user_name = ?", a.Name); err != nil {
		return nil, fmt.Errorf("invitations of %q: %w", a.Name, err)
	}
	n, err := endSessions(ctx, tx, a.Name, keep)
	if err != nil {
		return nil, err
	}
	after, err := audit.State(map[string]any{"sessions_ended": n})
	return []audit.Record{recordOf(c, "user.password", userSubject(a.Name), nil, after)}, err
}

// Rehash implements access.People.
func (s *Store) Rehash(ctx context.Context, name, old, hash string) error {
	return s.update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "UPDATE users SET password = ? WHERE name = ? AND password = ?", hash, name, old); err != nil {
			return fmt.Errorf("rehash of %q: %w", name, err)
		}
		return nil
	})
}

// SignInExternal implements access.People.
func (s *Store) SignInExternal(ctx context.Context, e access.External, at time.Time) (access.Account, error) {
	var a access.Account
	if e.NoRole {
		return a, errors.Join(noRole(e), s.sendAway(ctx, e, at))
	}
	err := s.changes(ctx, func(tx *sql.Tx) (recs []audit.Record, err error) {
		if a, recs, err = externalAccount(ctx, tx, e, at); err != nil || !e.SetTeams {
			return recs, err
		}
		rec, err := claimTeams(ctx, tx, a.Name, e, at)
		return append(recs, rec...), err
	})
	return a, err
}

func noRole(e access.External) error {
	return fmt.Errorf("%w: %s at %s has no role here", access.ErrForbidden, e.Subject, e.Issuer)
}

// sendAway ends the sessions of a person who may do nothing here any more.
func (s *Store) sendAway(ctx context.Context, e access.External, at time.Time) error {
	return s.changes(ctx, func(tx *sql.Tx) ([]audit.Record, error) {
		a, err := accountOf(ctx, tx, e)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("account of %s at %s: %w", e.Subject, e.Issuer, err)
		}
		n, err := endSessions(ctx, tx, a.Name, "")
		if err != nil || n == 0 {
			return nil, err
		}
		after, err := audit.State(map[string]any{"sessions_ended": n})
		return []audit.Record{recordOf(saidBy(e, at), "session.end_all", userSubject(a.Name), nil, after)}, err
	})
}

// saidBy is a change that the provider makes.
func saidBy(e access.External, at time.Time) access.Change {
	return access.Change{Actor: "oidc:" + e.Issuer, Reason: "As the OpenID provider says.", At: at}
}

func accountOf(ctx context.Context, q querier, e access.External) (access.Account, error) {
	return scanAccount(q.QueryRowContext(ctx, "SELECT "+accountColumns+" FROM users WHERE issuer = ? AND subject = ?", e.Issuer, e.Subject))
}

func externalAccount(ctx context.Context, tx *sql.Tx, e access.External, at time.Time) (access.Account, []audit.Record, error) {
	c := saidBy(e, at)
	a, err := accountOf(ctx, tx, e)
	switch {
	case errors.Is(err, sql.ErrNoRows) && e.Role == "" && e.Default == "":
		return a, nil, noRole(e)
	case errors.Is(err, sql.ErrNoRows):
		a = access.Account{Role: e.Role, Issuer: e.Issuer, Subject: e.Subject, CreatedAt: at}
		if a.Role == "" {
			a.Role = e.Default
		}
		if a.Name, err = freeName(ctx, tx, e.Names); err != nil {
			return a, nil, err
		}
		rec, err := insertAccount(ctx, tx, a, "", c)
		return a, []audit.Record{rec}, err
	case err != nil:
		return a, nil, fmt.Errorf("account of %s at %s: %w", e.Subject, e.Issuer, err)
	case !a.DisabledAt.IsZero():
		return a, nil, fmt.Errorf("%w: %s", access.ErrDisabled, a.Name)
	case e.Role == "" || e.Role == a.Role:
		return a, nil, nil
	}
	rec, err := setRole(ctx, tx, a, e.Role, c)
	a.Role = e.Role
	return a, []audit.Record{rec}, err
}

// freeName returns the first name that nobody has; when all are taken, the first one
// with a number. A provider never gets hold of somebody else's account by a name.
func freeName(ctx context.Context, q querier, wanted []string) (string, error) {
	var usable []string
	for _, w := range wanted {
		if access.CheckAccountName(w) == nil {
			usable = append(usable, w)
		}
	}
	if len(usable) == 0 {
		usable = []string{"person"}
	}
	for n := 2; n < 100; n++ {
		usable = append(usable, fmt.Sprintf("%.60s-%d", usable[0], n))
	}
	for _, name := range usable {
		_, err := account(ctx, q, name)
		if errors.Is(err, access.ErrNoAccount) {
			return name, nil
		}
		if err != nil {
			return "", err
		}
	}
	return "", fmt.Errorf("account %q: %w", usable[0], access.ErrNameTaken)
}

// claimTeams makes the person a member of exactly those teams by claim.
func claimTeams(ctx context.Context, tx *sql.Tx, name string, e access.External, at time.Time) ([]audit.Record, error) {
	scan := func(row scanner) (team string, err error) { return team, row.Scan(&team) }
	before, err := list(ctx, tx, scan, "SELECT team FROM team_members WHERE user_name = ? AND source = 'claim' ORDER BY team", name)
	if err != nil {
		return nil, fmt.Errorf("teams of %q: %w", name, err)
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM team_members WHERE user_name = ? AND source = 'claim'", name); err != nil {
		return nil, fmt.Errorf("teams of %q: %w", name, err)
	}
	teams, err := list(ctx, tx, scan, "SELECT name FROM teams")
	if err != nil {
		return nil, fmt.Errorf("teams of %q: %w", name, err)
	}
	claimed := make(map[string]bool, len(e.Teams)) // A provider may list thousands, of which few are ours.
	for _, team := range e.Teams {
		claimed[team] = true
	}
	for _, team := range teams {
		if !claimed[team] {
			continue
		}
		if _, err := tx.ExecContext(ctx, "INSERT OR IGNORE INTO team_members (team, user_name, source) VALUES (?, ?, 'claim')", team, name); err != nil {
			return nil, fmt.Errorf("teams of %q: %w", name, err)
		}
	}
	after, err := list(ctx, tx, scan, "SELECT team FROM team_members WHERE user_name = ? AND source = 'claim' ORDER BY team", name)
	if err != nil || slices.Equal(before, after) {
		return nil, err
	}
	was, err := audit.State(before)
	if err != nil {
		return nil, err
	}
	is, err := audit.State(after)
	return []audit.Record{recordOf(saidBy(e, at), "user.teams", userSubject(name), was, is)}, err
}
