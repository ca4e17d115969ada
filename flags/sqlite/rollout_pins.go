package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"tidemark/flags"
)

var _ flags.PinStore = (*Store)(nil)

// MergePins implements flags.PinStore.
func (s *Store) MergePins(ctx context.Context, sketches []flags.PinSketch, endedBefore int64) error {
	return s.update(ctx, func(tx *sql.Tx) error {
		for i := range sketches {
			if err := mergePins(ctx, tx, &sketches[i]); err != nil {
				return fmt.Errorf("pins of rollout %s: %w", sketches[i].Rollout, err)
			}
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM rollout_pins WHERE until < ?", endedBefore); err != nil {
			return fmt.Errorf("ended pins: %w", err)
		}
		return nil
	})
}

func mergePins(ctx context.Context, tx *sql.Tx, p *flags.PinSketch) error {
	merged := append([]byte{}, p.Registers...)
	var old []byte
	err := tx.QueryRowContext(ctx, `SELECT registers FROM rollout_pins
		WHERE rollout = ? AND variant = ? AND used = ? AND until = ? AND broken_at = ?`, p.Rollout, p.Variant, p.Used, p.Until, p.BrokenAt).Scan(&old)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	for i := range min(len(old), len(merged)) {
		merged[i] = max(merged[i], old[i])
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO rollout_pins (rollout, variant, used, until, broken_at, registers) VALUES (?,?,?,?,?,?)
		ON CONFLICT DO UPDATE SET registers = excluded.registers`, p.Rollout, p.Variant, p.Used, p.Until, p.BrokenAt, merged)
	return err
}

// Pins implements flags.PinStore.
func (s *Store) Pins(ctx context.Context, rollout string) (out []flags.PinSketch, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT variant, used, until, broken_at, registers FROM rollout_pins
		WHERE rollout = ? ORDER BY variant, used, until, broken_at`, rollout)
	if err != nil {
		return nil, fmt.Errorf("pins of rollout %s: %w", rollout, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	out = []flags.PinSketch{}
	for rows.Next() {
		p := flags.PinSketch{Rollout: rollout}
		if err := rows.Scan(&p.Variant, &p.Used, &p.Until, &p.BrokenAt, &p.Registers); err != nil {
			return nil, fmt.Errorf("pins of rollout %s: %w", rollout, err)
		}
		out = append(out, p)
	}
	return out, rows.Err()
}
