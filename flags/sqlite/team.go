package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/audit"
)

// Teams implements access.People.
func (s *Store) Teams(ctx context.Context) ([]access.Team, error) { return teams(ctx, s.read, "") }

// teams returns every team, or the one of a name.
func teams(ctx context.Context, q querier, name string) ([]access.Team, error) {
	all, err := list(ctx, q, func(row scanner) (t access.Team, err error) {
		var created int64
		err = row.Scan(&t.Name, &t.About, &created)
		t.CreatedAt = fromNanos(created)
		return t, err
	}, "SELECT name, about, created_at FROM teams WHERE ?1 = '' OR name = ?1 ORDER BY name", name)
	if err != nil {
		return nil, fmt.Errorf("teams: %w", err)
	}
	for i := range all {
		t := &all[i]
		if t.Members, err = list(ctx, q, func(row scanner) (m access.Member, err error) {
			return m, row.Scan(&m.Name, &m.Claim)
		}, "SELECT user_name, source = 'claim' FROM team_members WHERE team = ? ORDER BY user_name", t.Name); err != nil {
			return nil, fmt.Errorf("members of %s: %w", t.Name, err)
		}
		if t.Features, err = list(ctx, q, func(row scanner) (f string, err error) {
			return f, row.Scan(&f)
		}, "SELECT feature FROM team_features WHERE team = ? ORDER BY feature", t.Name); err != nil {
			return nil, fmt.Errorf("features of %s: %w", t.Name, err)
		}
	}
	return all, nil
}

func auditedTeam(ctx context.Context, q querier, name string) (json.RawMessage, error) {
	found, err := teams(ctx, q, name)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	t := found[0]
	members := []string{}
	for _, m := range t.Members {
		members = append(members, m.Name)
	}
	return audit.State(map[string]any{"name": t.Name, "about": t.About, "members": members, "features": t.Features})
}

// PutTeam implements access.People.
func (s *Store) PutTeam(ctx context.Context, t access.Team, c access.Change) error {
	if err := t.Check(); err != nil {
		return err
	}
	return s.change(ctx, func(tx *sql.Tx) (audit.Record, error) {
		if err := checkReplaced(ctx, tx, t); err != nil {
			return audit.Record{}, err
		}
		before, err := auditedTeam(ctx, tx, t.Name)
		if err != nil {
			return audit.Record{}, err
		}
		if err := putTeam(ctx, tx, t, c); err != nil {
			return audit.Record{}, err
		}
		after, err := auditedTeam(ctx, tx, t.Name)
		return recordOf(c, "team.put", "team/"+t.Name, before, after), err
	})
}

// checkReplaced refuses to go over what whoever changes the team has not seen.
func checkReplaced(ctx context.Context, tx *sql.Tx, t access.Team) error {
	if t.Replaces == "" {
		return nil
	}
	found, err := teams(ctx, tx, t.Name)
	switch {
	case err != nil:
		return err
	case len(found) == 0:
		return fmt.Errorf("team %s: %w: there is none now", t.Name, flags.ErrChanged)
	case found[0].Seen() != t.Replaces:
		now := &found[0]
		return fmt.Errorf("team %s: %w: it now has %d of its members named here (%s), and owns %d features (%s)", t.Name, flags.ErrChanged,
			len(now.Local()), strings.Join(now.Local(), ", "), len(now.Features), strings.Join(now.Features, ", "))
	}
	return nil
}

func putTeam(ctx context.Context, tx *sql.Tx, t access.Team, c access.Change) error {
	for _, step := range []struct {
		sql  string
		args []any
	}{
		{"INSERT INTO teams (name, about, created_at) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET about = excluded.about", []any{t.Name, t.About, nanos(c.At)}},
		{"DELETE FROM team_members WHERE team = ? AND source = 'local'", []any{t.Name}},
		{"DELETE FROM team_features WHERE team = ?", []any{t.Name}},
	} {
		if _, err := tx.ExecContext(ctx, step.sql, step.args...); err != nil {
			return fmt.Errorf("team %s: %w", t.Name, err)
		}
	}
	for _, m := range t.Members {
		a, err := account(ctx, tx, m.Name)
		if err != nil {
			return fmt.Errorf("team %s: %w", t.Name, err)
		}
		if _, err := tx.ExecContext(ctx, "INSERT OR IGNORE INTO team_members (team, user_name, source) VALUES (?, ?, 'local')", t.Name, a.Name); err != nil {
			return fmt.Errorf("team %s: member %s: %w", t.Name, m.Name, err)
		}
	}
	for _, f := range t.Features {
		if err := ownFeature(ctx, tx, t.Name, f); err != nil {
			return err
		}
	}
	return nil
}

func ownFeature(ctx context.Context, tx *sql.Tx, team, feature string) error {
	var owner string
	err := tx.QueryRowContext(ctx, "SELECT team FROM team_features WHERE feature = ?", feature).Scan(&owner)
	if err == nil {
		return fmt.Errorf("%w: %s is owned by %s; take it from there first", access.ErrOwned, feature, owner)
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("owner of %s: %w", feature, err)
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO team_features (feature, team) VALUES (?, ?)", feature, team); err != nil {
		return fmt.Errorf("owner of %s: %w", feature, err)
	}
	return nil
}

// DeleteTeam implements access.People.
func (s *Store) DeleteTeam(ctx context.Context, name string, c access.Change) error {
	return s.change(ctx, func(tx *sql.Tx) (audit.Record, error) {
		before, err := auditedTeam(ctx, tx, name)
		if err != nil {
			return audit.Record{}, err
		}
		if before == nil {
			return audit.Record{}, fmt.Errorf("%q: %w", name, access.ErrNoTeam)
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM teams WHERE name = ?", name); err != nil {
			return audit.Record{}, fmt.Errorf("delete team %s: %w", name, err)
		}
		return recordOf(c, "team.delete", "team/"+name, before, nil), nil
	})
}
