package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tidemark/flags/access"
	"tidemark/flags/audit"
)

// Sessions keeps browser sessions for alexedwards/scs. Expired ones are not found
// and are swept away by Prune. Now is when a session is judged; it must be set.
type Sessions struct {
	Store *Store
	Now   func() time.Time
}

// Find implements scs.Store.
func (s *Sessions) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

// Commit implements scs.Store.
func (s *Sessions) Commit(token string, b []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), token, b, expiry)
}

// Delete implements scs.Store.
func (s *Sessions) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }

// FindCtx implements scs.CtxStore.
func (s *Sessions) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	var data []byte
	err := s.Store.read.QueryRowContext(ctx, "SELECT data FROM sessions WHERE token = ? AND expires_at > ?",
		token, nanos(s.Now())).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("find session: %w", err)
	}
	return data, true, nil
}

// CommitCtx implements scs.CtxStore. When the context says whose session begins
// (access.WithSession), that and the audit record of the sign-in are stored with it.
func (s *Sessions) CommitCtx(ctx context.Context, token string, b []byte, expiry time.Time) error {
	begun, begins := access.SessionOf(ctx)
	return s.Store.changes(ctx, func(tx *sql.Tx) ([]audit.Record, error) {
		_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO sessions (token, data, expires_at) VALUES (?, ?, ?)",
			token, b, nanos(expiry))
		if err != nil {
			return nil, fmt.Errorf("commit session: %w", err)
		}
		if !begins {
			return nil, nil
		}
		return beginSession(ctx, tx, token, begun)
	})
}

func beginSession(ctx context.Context, tx *sql.Tx, token string, b access.Session) ([]audit.Record, error) {
	if err := mayBegin(ctx, tx, b); err != nil {
		return nil, fmt.Errorf("begin session: %w", err)
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO user_sessions (id, token, user_name, method, address, agent, created_at, seen_at, expires_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		b.ID, token, b.User, b.Method, b.Address, b.Agent, nanos(b.CreatedAt), nanos(b.SeenAt), nanos(b.ExpiresAt))
	if err != nil {
		return nil, fmt.Errorf("begin session: %w", err)
	}
	if _, err := tx.ExecContext(ctx, "UPDATE users SET last_sign_in = ? WHERE name = ?", nanos(b.CreatedAt), b.User); err != nil {
		return nil, fmt.Errorf("begin session: %w", err)
	}
	after, err := audit.State(map[string]any{"session": b.ID, "method": b.Method, "address": b.Address})
	return []audit.Record{{
		At: b.CreatedAt, Actor: "user:" + b.User, Action: "session.begin", Subject: userSubject(b.User), After: after,
	}}, err
}

// mayBegin refuses whoever was disabled, or got another password, since they were looked
// at: that ended the sessions that there were, and this one would be left.
func mayBegin(ctx context.Context, tx *sql.Tx, b access.Session) error {
	a, err := account(ctx, tx, b.User)
	switch {
	case err != nil:
		return err
	case !a.DisabledAt.IsZero():
		return fmt.Errorf("%w: %s", access.ErrDisabled, a.Name)
	case b.Password == "":
		return nil
	}
	if err := checkPassword(ctx, tx, a.Name, b.Password); err != nil {
		return fmt.Errorf("%w: %w", access.ErrUnauthenticated, err)
	}
	return nil
}

// DeleteCtx implements scs.CtxStore.
func (s *Sessions) DeleteCtx(ctx context.Context, token string) error {
	return s.Store.changes(ctx, func(tx *sql.Tx) ([]audit.Record, error) {
		if _, err := tx.ExecContext(ctx, "DELETE FROM sessions WHERE token = ?", token); err != nil {
			return nil, fmt.Errorf("delete session: %w", err)
		}
		var id, name string
		err := tx.QueryRowContext(ctx, "DELETE FROM user_sessions WHERE token = ? RETURNING id, user_name", token).Scan(&id, &name)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("delete session: %w", err)
		}
		before, err := audit.State(map[string]any{"session": id})
		return []audit.Record{{At: s.Now(), Actor: "user:" + name, Action: "session.end", Subject: userSubject(name), Before: before}}, err
	})
}

// Prune removes expired sessions.
func (s *Sessions) Prune(ctx context.Context) error {
	return s.Store.update(ctx, func(tx *sql.Tx) error {
		for _, table := range []string{"sessions", "user_sessions"} {
			if _, err := tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE expires_at <= ?", nanos(s.Now())); err != nil {
				return fmt.Errorf("prune %s: %w", table, err)
			}
		}
		return nil
	})
}

// SessionUser implements access.People.
func (s *Store) SessionUser(ctx context.Context, id string, now time.Time) (u access.User, seen time.Time, err error) {
	var role string
	var at int64
	err = s.read.QueryRowContext(ctx, `SELECT u.name, u.role, s.seen_at FROM user_sessions s JOIN users u ON u.name = s.user_name
		WHERE s.id = ? AND u.disabled_at = 0 AND s.expires_at > ? AND s.seen_at > ?`,
		id, nanos(now), nanos(now.Add(-access.SessionIdle))).Scan(&u.Name, &role, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return u, seen, access.ErrNoSession
	}
	if err != nil {
		return u, seen, fmt.Errorf("session: %w", err)
	}
	u.Role = access.Role(role)
	u.Features, err = list(ctx, s.read, func(row scanner) (f string, err error) { return f, row.Scan(&f) },
		`SELECT f.feature FROM team_members m JOIN team_features f ON f.team = m.team WHERE m.user_name = ? ORDER BY f.feature`, u.Name)
	if err != nil {
		return u, seen, fmt.Errorf("features of %q: %w", u.Name, err)
	}
	u.Teams, err = list(ctx, s.read, func(row scanner) (t string, err error) { return t, row.Scan(&t) },
		`SELECT team FROM team_members WHERE user_name = ? ORDER BY team`, u.Name)
	if err != nil {
		return u, seen, fmt.Errorf("teams of %q: %w", u.Name, err)
	}
	return u, fromNanos(at), nil
}

// TouchSessions implements access.People.
func (s *Store) TouchSessions(ctx context.Context, seen map[string]time.Time) error {
	return s.update(ctx, func(tx *sql.Tx) error {
		for id, at := range seen {
			if _, err := tx.ExecContext(ctx, "UPDATE user_sessions SET seen_at = ?1 WHERE id = ?2 AND seen_at < ?1", nanos(at), id); err != nil {
				return fmt.Errorf("touch session %s: %w", id, err)
			}
		}
		return nil
	})
}

// Sessions implements access.People.
func (s *Store) Sessions(ctx context.Context, name string, now time.Time) ([]access.Session, error) {
	all, err := list(ctx, s.read, func(row scanner) (b access.Session, err error) {
		var created, seen, expires int64
		err = row.Scan(&b.ID, &b.User, &b.Method, &b.Address, &b.Agent, &created, &seen, &expires)
		b.CreatedAt, b.SeenAt, b.ExpiresAt = fromNanos(created), fromNanos(seen), fromNanos(expires)
		return b, err
	}, `SELECT id, user_name, method, address, agent, created_at, seen_at, expires_at FROM user_sessions
		WHERE user_name = ? AND expires_at > ? AND seen_at > ? ORDER BY seen_at DESC, id`,
		name, nanos(now), nanos(now.Add(-access.SessionIdle)))
	if err != nil {
		return nil, fmt.Errorf("sessions of %q: %w", name, err)
	}
	return all, nil
}

// EndSession implements access.People.
func (s *Store) EndSession(ctx context.Context, name, id string, c access.Change) error {
	return s.change(ctx, func(tx *sql.Tx) (audit.Record, error) {
		var token string
		err := tx.QueryRowContext(ctx, "DELETE FROM user_sessions WHERE id = ? AND user_name = ? RETURNING token", id, name).Scan(&token)
		if errors.Is(err, sql.ErrNoRows) {
			return audit.Record{}, fmt.Errorf("%q of %q: %w", id, name, access.ErrNoSession)
		}
		if err != nil {
			return audit.Record{}, fmt.Errorf("end session %s: %w", id, err)
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM sessions WHERE token = ?", token); err != nil {
			return audit.Record{}, fmt.Errorf("end session %s: %w", id, err)
		}
		before, err := audit.State(map[string]any{"session": id})
		return recordOf(c, "session.end", userSubject(name), before, nil), err
	})
}

// EndSessions implements access.People.
func (s *Store) EndSessions(ctx context.Context, name, keep string, c access.Change) (n int, err error) {
	err = s.change(ctx, func(tx *sql.Tx) (audit.Record, error) {
		a, err := account(ctx, tx, name)
		if err != nil {
			return audit.Record{}, err
		}
		if n, err = endSessions(ctx, tx, a.Name, keep); err != nil {
			return audit.Record{}, err
		}
		after, err := audit.State(map[string]any{"sessions_ended": n})
		return recordOf(c, "session.end_all", userSubject(a.Name), nil, after), err
	})
	return n, err
}

func endSessions(ctx context.Context, tx *sql.Tx, name, keep string) (int, error) {
	_, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE token IN
		(SELECT token FROM user_sessions WHERE user_name = ? AND id <> ?)`, name, keep)
	if err != nil {
		return 0, fmt.Errorf("end sessions of %q: %w", name, err)
	}
	res, err := tx.ExecContext(ctx, "DELETE FROM user_sessions WHERE user_name = ? AND id <> ?", name, keep)
	if err != nil {
		return 0, fmt.Errorf("end sessions of %q: %w", name, err)
	}
	n, err := res.RowsAffected()
	return int(n), err
}
