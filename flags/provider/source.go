package provider

import (
	"context"

	"tidemark/flags/eval"
)

// Source gives the flags.
type Source interface {
	// Stream calls connected once it is in touch, and next with each set that is in
	// force from then on, unless its hash is have. It returns when ctx is done or the
	// connection is lost, with what was wrong.
	Stream(ctx context.Context, have string, connected func(), next func(set *eval.Set, hash string)) error
}

// Local is a source within the server's own process.
type Local struct {
	// Flags are those of the server.
	Flags interface {
		Set() *eval.Set
		Changed() <-chan struct{}
	}
}

// Stream implements Source.
func (l Local) Stream(ctx context.Context, have string, connected func(), next func(*eval.Set, string)) error {
	connected()
	for {
		changed := l.Flags.Changed()
		if set := l.Flags.Set(); set.Hash() != have {
			have = set.Hash()
			next(set, have)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}
