package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tidemark/flags/access"
	"tidemark/flags/audit"
)

// CreateSignIn implements access.Store.
func (s *Store) CreateSignIn(ctx context.Context, l access.SignIn, actor string) error {
	return s.change(ctx, func(tx *sql.Tx) (audit.Record, error) {
		if _, err := tx.ExecContext(ctx, "DELETE FROM sign_ins WHERE expires_at <= ?", nanos(l.Created)); err != nil {
			return audit.Record{}, fmt.Errorf("old sign-in links: %w", err)
		}
		_, err := tx.ExecContext(ctx,
			"INSERT INTO sign_ins (hash, user_name, role, created_at, expires_at) VALUES (?, ?, ?, ?, ?)",
			l.Hash[:], l.User.Name, string(l.User.Role), nanos(l.Created), nanos(l.Expires))
		if err != nil {
			return audit.Record{}, fmt.Errorf("create sign-in link: %w", err)
		}
		after, err := audit.State(map[string]any{"role": l.User.Role, "expires_at": l.Expires})
		return audit.Record{
			At: l.Created, Actor: actor, Action: "signin.create", Subject: userSubject(l.User.Name), After: after,
		}, err
	})
}

// UseSignIn implements access.Store.
func (s *Store) UseSignIn(ctx context.Context, hash [sha256.Size]byte, at time.Time) (access.User, error) {
	var u access.User
	err := s.changes(ctx, func(tx *sql.Tx) ([]audit.Record, error) {
		var name, role string
		err := tx.QueryRowContext(ctx, "DELETE FROM sign_ins WHERE hash = ? AND expires_at > ? RETURNING user_name, role",
			hash[:], nanos(at)).Scan(&name, &role)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, access.ErrSignIn
		}
		if err != nil {
			return nil, fmt.Errorf("use sign-in link: %w", err)
		}
		acc, recs, err := linkAccount(ctx, tx, name, access.Role(role), at)
		if err != nil {
			return nil, err
		}
		u = access.User{Name: acc.Name, Role: acc.Role}
		after, err := audit.State(map[string]any{"role": u.Role})
		return append(recs, audit.Record{
			At: at, Actor: "user:" + u.Name, Action: "signin.use", Subject: userSubject(u.Name), After: after,
		}), err
	})
	return u, err
}

// linkAccount returns the account that a link signs in: made when it is missing, and
// with the role that the link names.
func linkAccount(ctx context.Context, tx *sql.Tx, name string, role access.Role, at time.Time) (access.Account, []audit.Record, error) {
	c := access.Change{Actor: "user:" + name, Reason: "By a sign-in link.", At: at}
	acc, err := account(ctx, tx, name)
	switch {
	case errors.Is(err, access.ErrNoAccount):
		if role == "" {
			role = access.Administrator
		}
		acc = access.Account{Name: name, Role: role, CreatedAt: at}
		rec, err := insertAccount(ctx, tx, acc, "", c)
		return acc, []audit.Record{rec}, err
	case err != nil:
		return acc, nil, err
	case !acc.DisabledAt.IsZero():
		return acc, nil, fmt.Errorf("%w: %s", access.ErrDisabled, acc.Name)
	case role == "" || role == acc.Role:
		return acc, nil, nil
	}
	c.Actor = "user:" + acc.Name
	rec, err := setRole(ctx, tx, acc, role, c)
	acc.Role = role
	return acc, []audit.Record{rec}, err
}

// CreateInvite implements access.People.
func (s *Store) CreateInvite(ctx context.Context, i access.Invite, c access.Change) error {
	return s.change(ctx, func(tx *sql.Tx) (audit.Record, error) {
		if _, err := tx.ExecContext(ctx, "DELETE FROM invites WHERE expires_at <= ? OR user_name = ?", nanos(i.Created), i.User); err != nil {
			return audit.Record{}, fmt.Errorf("old invitations: %w", err)
		}
		var err error
		if i.User, err = checkInvited(ctx, tx, i.User); err != nil {
			return audit.Record{}, err
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO invites (hash, user_name, created_at, expires_at) VALUES (?, ?, ?, ?)",
			i.Hash[:], i.User, nanos(i.Created), nanos(i.Expires))
		if err != nil {
			return audit.Record{}, fmt.Errorf("create invitation: %w", err)
		}
		after, err := audit.State(map[string]any{"expires_at": i.Expires})
		rec := recordOf(c, "invite.create", userSubject(i.User), nil, after)
		if i.User == "" {
			rec.Subject = "setup"
		}
		return rec, err
	})
}

// checkInvited refuses invitations to nobody, to who may not sign in and to who signs
// in elsewhere, and a first set-up when there is an administrator. It returns the name as
// the account has it, which the audit log goes by.
func checkInvited(ctx context.Context, q querier, name string) (string, error) {
	if name == "" {
		n, err := countAdmins(ctx, q)
		if err == nil && n > 0 {
			err = fmt.Errorf("%w: tidemark is set up already", access.ErrAccount)
		}
		return "", err
	}
	acc, err := account(ctx, q, name)
	switch {
	case err != nil:
		return "", err
	case !acc.DisabledAt.IsZero():
		return "", fmt.Errorf("%w: %s", access.ErrDisabled, acc.Name)
	case acc.Issuer != "":
		return "", fmt.Errorf("%w: %s signs in with %s and has no password here", access.ErrAccount, acc.Name, acc.Issuer)
	}
	return acc.Name, nil
}

// Invite implements access.People.
func (s *Store) Invite(ctx context.Context, hash [sha256.Size]byte, at time.Time) (access.Invite, error) {
	i, err := invite(ctx, s.read, hash, at)
	if err != nil {
		return i, err
	}
	if i.User, err = checkInvited(ctx, s.read, i.User); err != nil {
		return i, fmt.Errorf("%w: %w", access.ErrSignIn, err)
	}
	return i, nil
}

func invite(ctx context.Context, q querier, hash [sha256.Size]byte, at time.Time) (access.Invite, error) {
	i := access.Invite{Hash: hash}
	var created, expires int64
	err := q.QueryRowContext(ctx, "SELECT user_name, created_at, expires_at FROM invites WHERE hash = ? AND expires_at > ?",
		hash[:], nanos(at)).Scan(&i.User, &created, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return i, access.ErrSignIn
	}
	if err != nil {
		return i, fmt.Errorf("invitation: %w", err)
	}
	i.Created, i.Expires = fromNanos(created), fromNanos(expires)
	return i, nil
}

// UseInvite implements access.People.
func (s *Store) UseInvite(ctx context.Context, hash [sha256.Size]byte, name, password string, at time.Time) (string, error) {
	err := s.changes(ctx, func(tx *sql.Tx) ([]audit.Record, error) {
		i, err := invite(ctx, tx, hash, at)
		if err != nil {
			return nil, err
		}
		if i.User, err = checkInvited(ctx, tx, i.User); err != nil {
			return nil, fmt.Errorf("%w: %w", access.ErrSignIn, err)
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM invites WHERE hash = ?", hash[:]); err != nil {
			return nil, fmt.Errorf("use invitation: %w", err)
		}
		if i.User != "" {
			name = i.User
			return setPassword(ctx, tx, name, password, "", access.Change{Actor: "user:" + name, Reason: "By an invitation.", At: at})
		}
		acc := access.Account{Name: name, Role: access.Administrator, HasPassword: true, CreatedAt: at}
		rec, err := insertAccount(ctx, tx, acc, password, access.Change{Actor: "user:" + name, Reason: "First set-up.", At: at})
		return []audit.Record{rec}, err
	})
	return name, err
}
