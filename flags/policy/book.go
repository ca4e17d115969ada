package policy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"tidemark/flags"
	"tidemark/flags/access"
)

// BookOptions are what a Book needs.
type BookOptions struct {
	Checker *Checker
	// Documents returns the current revision of every document of kinds Policy and
	// Ownership.
	Documents func(ctx context.Context) ([]flags.DocumentVersion, error)
	Teams     func(ctx context.Context) ([]access.Team, error)
}

// Book holds the policies in force. It is safe for concurrent use. A nil Book permits
// nothing.
type Book struct {
	o   BookOptions
	mu  sync.Mutex // held while a set is made, so that an older one never follows a newer
	now atomic.Pointer[Set]
	was []string // what now was made of
}

// Open reads the policies and compiles them.
func Open(ctx context.Context, o BookOptions) (*Book, error) {
	b := &Book{o: o}
	return b, b.Reload(ctx)
}

// Fixed returns a Book of one set.
func Fixed(s *Set) *Book {
	b := &Book{}
	b.now.Store(s)
	return b
}

// Reload puts what is stored now into force. On error what was in force stays so.
func (b *Book) Reload(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	docs, err := b.o.Documents(ctx)
	if err != nil {
		return fmt.Errorf("policies: %w", err)
	}
	teams, err := b.o.Teams(ctx)
	if err != nil {
		return fmt.Errorf("policies: %w", err)
	}
	from := Sources{Documents: docs, Teams: map[string]string{}}
	for i := range teams {
		for _, f := range teams[i].Features {
			from.Teams[f] = teams[i].Name
		}
	}
	is := from.names()
	if b.now.Load() != nil && slices.Equal(is, b.was) {
		return nil // What was decided stays known.
	}
	s, err := b.o.Checker.Compile(from)
	if err != nil {
		return fmt.Errorf("policies: %w", err)
	}
	b.now.Store(s)
	b.was = is
	return nil
}

// names tells sources apart.
func (s *Sources) names() []string {
	out := make([]string, 0, len(s.Documents)+len(s.Teams))
	for i := range s.Documents {
		out = append(out, fmt.Sprintf("%s %d", s.Documents[i].ID, s.Documents[i].Revision))
	}
	for _, f := range slices.Sorted(maps.Keys(s.Teams)) {
		out = append(out, f+" "+s.Teams[f])
	}
	return out
}

// Set returns the policies in force; nil when there are none. It costs one atomic load.
func (b *Book) Set() *Set {
	if b == nil {
		return nil
	}
	return b.now.Load()
}

// Checker says what is wrong with a policy.
func (b *Book) Checker() *Checker { return b.o.Checker }
