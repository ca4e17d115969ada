package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"tidemark/flags"
	"tidemark/flags/audit"
)

// Decide implements flags.DecisionStore. The audit record names a merge by its hash, with
// a salt: the log is for more readers than the contents of a write.
func (s *Store) Decide(ctx context.Context, d flags.ConflictDecision, messages []flags.Delivery) error {
	return s.change(ctx, func(tx *sql.Tx) (audit.Record, error) {
		rec := audit.Record{At: d.At, Actor: d.Actor, Action: "conflict.decide", Subject: "conflict/" + d.Conflict, Reason: d.Reason}
		before, err := lastDecision(ctx, tx, d.Conflict)
		if err != nil {
			return rec, err
		}
		if was := revisionOf(before); was != d.Revision-1 {
			return rec, fmt.Errorf("decision about conflict %q: %w: revision %d is there, and this one was made after %d", d.Conflict, flags.ErrChanged, was, d.Revision-1)
		}
		body, err := json.Marshal(d)
		if err != nil {
			return rec, fmt.Errorf("decision about conflict %q: %w", d.Conflict, err)
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO conflict_decisions (conflict, revision, feature, at, told_at, body) VALUES (?,?,?,?,?,?)",
			d.Conflict, d.Revision, d.Feature, nanos(d.At), nanos(d.ToldAt), body)
		if err != nil {
			return rec, fmt.Errorf("decision about conflict %q: %w", d.Conflict, err)
		}
		if err := enqueue(ctx, tx, messages); err != nil {
			return rec, err
		}
		if rec.Before, err = decisionState(before); err != nil {
			return rec, err
		}
		rec.After, err = decisionState(&d)
		return rec, err
	})
}

func revisionOf(d *flags.ConflictDecision) int64 {
	if d == nil {
		return 0
	}
	return d.Revision
}

func lastDecision(ctx context.Context, tx *sql.Tx, conflict string) (*flags.ConflictDecision, error) {
	var body []byte
	err := tx.QueryRowContext(ctx, "SELECT body FROM conflict_decisions WHERE conflict = ? ORDER BY revision DESC LIMIT 1", conflict).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // There is none, which is no error.
	}
	if err != nil {
		return nil, fmt.Errorf("decisions about conflict %q: %w", conflict, err)
	}
	d := &flags.ConflictDecision{}
	if err := json.Unmarshal(body, d); err != nil {
		return nil, fmt.Errorf("decision about conflict %q: %w", conflict, err)
	}
	return d, nil
}

// decisionState is what the audit log says of a decision.
func decisionState(d *flags.ConflictDecision) (json.RawMessage, error) {
	if d == nil {
		return nil, nil
	}
	state := map[string]any{
		"revision": d.Revision, "feature": d.Feature, "writes": d.Writes, "action": d.Action,
		"rule": d.Rule, "rule_version": d.RuleVersion, "event_id": d.EventID,
	}
	if slices.Contains(d.Writes, d.Proposed) { // What else a rule gives is made of contents.
		state["proposed"] = d.Proposed
	}
	if d.Winner != "" {
		state["winner"] = d.Winner
	}
	if d.Merged != nil {
		sum := sha256.Sum256(append([]byte(d.Salt), d.Merged...))
		state["salted_merged_sha256"] = hex.EncodeToString(sum[:])
	}
	return audit.State(state)
}

// Decisions implements flags.DecisionStore.
func (s *Store) Decisions(ctx context.Context, conflict string) ([]flags.ConflictDecision, error) {
	return s.decisions(ctx, "SELECT body, told_at FROM conflict_decisions WHERE conflict = ? ORDER BY revision", conflict)
}

// Untold implements flags.DecisionStore.
func (s *Store) Untold(ctx context.Context, limit int) ([]flags.ConflictDecision, error) {
	return s.decisions(ctx, "SELECT body, told_at FROM conflict_decisions WHERE told_at = 0 ORDER BY at, conflict, revision LIMIT ?", limit)
}

func (s *Store) decisions(ctx context.Context, query string, args ...any) (out []flags.ConflictDecision, err error) {
	rows, err := s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("decisions: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	out = []flags.ConflictDecision{}
	for rows.Next() {
		var body []byte
		var told int64
		var d flags.ConflictDecision
		if err := rows.Scan(&body, &told); err != nil {
			return nil, fmt.Errorf("decisions: %w", err)
		}
		if err := json.Unmarshal(body, &d); err != nil {
			return nil, fmt.Errorf("decisions: %w", err)
		}
		d.ToldAt = fromNanos(told)
		out = append(out, d)
	}
	return out, rows.Err()
}

// Told implements flags.DecisionStore. It is no change of control data: the decision
// was one.
func (s *Store) Told(ctx context.Context, conflict string, revision int64, at time.Time) error {
	return s.update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE conflict_decisions SET told_at = ? WHERE conflict = ? AND revision = ? AND told_at = 0", nanos(at), conflict, revision)
		if err != nil {
			return fmt.Errorf("decision about conflict %q: %w", conflict, err)
		}
		return nil
	})
}
