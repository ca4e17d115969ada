package app

import (
	"context"
	"time"

	"tidemark/flags"
	"tidemark/flags/policy"
)

// flushAttemptsEvery is how often counts of refused events are stored; a crash loses as
// much.
const flushAttemptsEvery = 2 * time.Second

// policyDocuments are those that policies are made of.
func (a *App) policyDocuments(ctx context.Context) ([]flags.DocumentVersion, error) {
	return a.control.DocumentsOf(ctx, flags.KindPolicy, flags.KindOwnership)
}

// openPolicies compiles the policies, and begins to keep what they refuse.
func (a *App) openPolicies(ctx context.Context) error {
	checker, err := policy.NewChecker()
	if err != nil {
		return err
	}
	a.policies, err = policy.Open(ctx, policy.BookOptions{Checker: checker, Documents: a.policyDocuments, Teams: a.control.Teams})
	if err != nil {
		return err
	}
	a.attempts, err = policy.OpenAttempts(ctx, a.control, a.o.Now, a.o.Registry)
	if err != nil {
		return err
	}
	a.onStop("refused events", a.attempts.Flush)
	a.every(flushAttemptsEvery, "refused events", a.attempts.Flush)
	return nil
}
