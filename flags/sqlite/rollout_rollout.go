package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"tidemark/flags"
	"tidemark/flags/audit"
)

var _ flags.RolloutStore = (*Store)(nil)

// Rollouts implements flags.RolloutStore.
func (s *Store) Rollouts(ctx context.Context) ([]flags.Rollout, error) {
	return bodies[flags.Rollout](ctx, s.read, "rollouts", "SELECT body FROM rollouts ORDER BY created_at DESC, id DESC")
}

// Rollout implements flags.RolloutStore.
func (s *Store) Rollout(ctx context.Context, id string) (flags.Rollout, error) {
	rs, err := bodies[flags.Rollout](ctx, s.read, "rollout "+id, "SELECT body FROM rollouts WHERE id = ?", id)
	if err != nil {
		return flags.Rollout{}, err
	}
	if len(rs) == 0 {
		return flags.Rollout{}, fmt.Errorf("rollout %q: %w", id, flags.ErrNotFound)
	}
	return rs[0], nil
}

// Transitions implements flags.RolloutStore.
func (s *Store) Transitions(ctx context.Context, id string) ([]flags.Transition, error) {
	return bodies[flags.Transition](ctx, s.read, "transitions of rollout "+id,
		"SELECT body FROM rollout_transitions WHERE rollout = ? ORDER BY revision DESC", id)
}

// bodies reads rows of one column of JSON.
func bodies[T any](ctx context.Context, q querier, what, query string, args ...any) (out []T, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	out = []T{}
	for rows.Next() {
		var body []byte
		var v T
		if err := rows.Scan(&body); err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		if err := json.Unmarshal(body, &v); err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// SaveRollout implements flags.RolloutStore.
func (s *Store) SaveRollout(ctx context.Context, r flags.Rollout, t flags.Transition) error {
	return s.change(ctx, func(tx *sql.Tx) (audit.Record, error) {
		return saveRollout(ctx, tx, &flags.RolloutChange{Rollout: r, Transition: t})
	})
}

// saveRollout stores a rollout with its transition, and returns the audit record that
// belongs to it.
func saveRollout(ctx context.Context, tx *sql.Tx, c *flags.RolloutChange) (audit.Record, error) {
	r, t := &c.Rollout, &c.Transition
	before, err := bodies[flags.Rollout](ctx, tx, "rollout "+r.ID, "SELECT body FROM rollouts WHERE id = ?", r.ID)
	if err != nil {
		return audit.Record{}, err
	}
	stored := int64(0)
	if len(before) > 0 {
		stored = before[0].Revision
	}
	if stored != r.Revision-1 || t.Revision != r.Revision || t.Rollout != r.ID {
		return audit.Record{}, fmt.Errorf("rollout %s is at revision %d, not %d: %w", r.ID, stored, r.Revision-1, flags.ErrChanged)
	}
	if err := freeFlag(ctx, tx, r); err != nil {
		return audit.Record{}, err
	}
	if err := putRollout(ctx, tx, r); err != nil {
		return audit.Record{}, err
	}
	if err := putTransition(ctx, tx, t); err != nil {
		return audit.Record{}, err
	}
	return rolloutRecord(before, r, t)
}

// freeFlag refuses a second rollout that decides about the same flag.
func freeFlag(ctx context.Context, tx *sql.Tx, r *flags.Rollout) error {
	if !r.State.Active() {
		return nil
	}
	var other string
	err := tx.QueryRowContext(ctx, `SELECT id FROM rollouts
		WHERE flag = ? AND id <> ? AND state IN ('running', 'paused', 'reverting')`, r.Plan.Flag, r.ID).Scan(&other)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("rollout %s: %w", r.ID, err)
	}
	return fmt.Errorf("%w: flag %q is held by rollout %s; complete or revert that one first", flags.ErrRefused, r.Plan.Flag, other)
}

func putRollout(ctx context.Context, tx *sql.Tx, r *flags.Rollout) error {
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("rollout %s: %w", r.ID, err)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO rollouts (id, flag, state, revision, created_at, body) VALUES (?,?,?,?,?,?)
		ON CONFLICT (id) DO UPDATE SET flag = excluded.flag, state = excluded.state, revision = excluded.revision, body = excluded.body`,
		r.ID, r.Plan.Flag, r.State, r.Revision, nanos(r.CreatedAt), body)
	if err != nil {
		return fmt.Errorf("rollout %s revision %d: %w", r.ID, r.Revision, err)
	}
	return nil
}

func putTransition(ctx context.Context, tx *sql.Tx, t *flags.Transition) error {
	body, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("transition %s of rollout %s: %w", t.Action, t.Rollout, err)
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO rollout_transitions (rollout, revision, at, body) VALUES (?,?,?,?)",
		t.Rollout, t.Revision, nanos(t.At), body)
	if err != nil {
		return fmt.Errorf("transition %s of rollout %s: %w", t.Action, t.Rollout, err)
	}
	return nil
}

// rolloutRecord is the audit record of a transition. The evidence that decided is
// part of it.
func rolloutRecord(before []flags.Rollout, r *flags.Rollout, t *flags.Transition) (audit.Record, error) {
	rec := audit.Record{At: t.At, Actor: t.Actor, Action: "rollout." + t.Action, Subject: "rollout/" + r.ID, Reason: t.Reason}
	var err error
	if len(before) > 0 {
		if rec.Before, err = rolloutState(&before[0], nil); err != nil {
			return rec, err
		}
	}
	rec.After, err = rolloutState(r, t.Decision)
	return rec, err
}

// rolloutState is what the audit log keeps of a rollout: all that a person or the
// controller decided, and not the clocks.
func rolloutState(r *flags.Rollout, d *flags.Decision) ([]byte, error) {
	return audit.State(struct {
		Title        string             `json:"title"`
		Plan         *flags.Plan        `json:"plan"`
		Document     string             `json:"document,omitempty"`
		State        flags.RolloutState `json:"state"`
		Phase        flags.Phase        `json:"phase,omitempty"`
		Step         int                `json:"step"`
		Percent      flags.Percent      `json:"percent"`
		Revision     int64              `json:"revision"`
		Approvals    []flags.Approval   `json:"approvals"`
		SignOffs     []flags.SignOff    `json:"sign_offs"`
		PinsBrokenAt int64              `json:"pins_broken_at,omitempty"`
		Decision     *flags.Decision    `json:"decision,omitempty"`
	}{
		r.Title, &r.Plan, r.Document, r.State, r.Phase, r.Step, r.Percent, r.Revision, r.Approvals, r.SignOffs, nanos(r.PinsBrokenAt), d,
	})
}

// NoteRollout implements flags.RolloutStore. It has no audit record: what it stores
// is what was measured, not what anybody decided.
func (s *Store) NoteRollout(ctx context.Context, r flags.Rollout) error {
	return s.update(ctx, func(tx *sql.Tx) error {
		body, err := json.Marshal(&r)
		if err != nil {
			return fmt.Errorf("rollout %s: %w", r.ID, err)
		}
		_, err = tx.ExecContext(ctx, "UPDATE rollouts SET body = ? WHERE id = ? AND revision = ? AND state = ?",
			body, r.ID, r.Revision, r.State)
		if err != nil {
			return fmt.Errorf("rollout %s: note: %w", r.ID, err)
		}
		return nil
	})
}
