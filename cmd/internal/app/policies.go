package app

import (
	"context"
	"errors"
	"fmt"
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

// mendPolicy says what to do about a stored policy that this program does not take.
func mendPolicy(data string, e *policy.StoredError) string {
	return fmt.Sprintf("Write a document of kind %s named %s that it takes, then: tidemark apply -f FILE --data %s --reason WHY. Or run the version that took it.", e.ID.Kind, e.ID.Name, data)
}

// openPolicies compiles the policies, and begins to keep what they refuse.
func (a *App) openPolicies(ctx context.Context) error {
	checker, err := policy.NewChecker()
	if err != nil {
		return err
	}
	a.policies, err = policy.Open(ctx, policy.BookOptions{Checker: checker, Documents: a.policyDocuments, Teams: a.control.Teams})
	if stored, ok := errors.AsType[*policy.StoredError](err); ok {
		return fmt.Errorf("%w. Nobody can tell what it should permit, so nothing starts. %s", err, mendPolicy(a.o.Data, stored))
	}
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
