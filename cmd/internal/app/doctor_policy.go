package app

import (
	"context"
	"errors"
	"path/filepath"

	"tidemark/flags"
	"tidemark/flags/policy"
	control "tidemark/flags/sqlite"
)

// policies compiles what is stored, as a start does. It is no part of Examine: a backup
// is good whose policies can be corrected after it was restored.
func (x *Examination) policies(ctx context.Context, data string) {
	s, err := control.Inspect(ctx, filepath.Join(data, control.FileName))
	if err != nil {
		x.fail("policies", doControl, err)
		return
	}
	defer func() { _ = s.Close() }()
	checker, err := policy.NewChecker()
	if err == nil {
		documents := func(ctx context.Context) ([]flags.DocumentVersion, error) {
			return s.DocumentsOf(ctx, flags.KindPolicy, flags.KindOwnership)
		}
		_, err = policy.Open(ctx, policy.BookOptions{Checker: checker, Documents: documents, Teams: s.Teams})
	}
	if stored, ok := errors.AsType[*policy.StoredError](err); ok {
		x.fail("policies", mendPolicy(data, stored), err)
		return
	}
	if err != nil {
		x.fail("policies", doControl, err)
		return
	}
	x.ok("policies", "compile")
}
