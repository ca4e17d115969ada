package reconcile

import (
	"context"
	"fmt"
	"strconv"

	"tidemark/flags"
)

// Documents is where rules are kept, with their history.
type Documents interface {
	// Versions returns every revision of a document, newest first; none is empty.
	Versions(ctx context.Context, id flags.DocumentID) ([]flags.DocumentVersion, error)
}

// Named is a rule by the name and version under which services apply it.
type Named struct {
	Name    string
	Version string // as it was asked for; the current one's when none was
	// Revision of the document; 0 when a bare strategy stands for itself.
	Revision int64
	Rule     *Rule
	// Missing says why there is no Rule; "" when there is one.
	Missing string
}

// book remembers rules for the length of one question.
type book struct {
	store Documents
	known map[string][]flags.DocumentVersion
}

func newBook(store Documents) *book {
	return &book{store, map[string][]flags.DocumentVersion{}}
}

// rule finds the rule of a name and version; "" is the current one. The newest revision
// of a version counts: a version stands for one content.
func (b *book) rule(ctx context.Context, name, version string) (Named, error) {
	n := Named{Name: name, Version: version}
	if name == "" {
		n.Missing = "No rule was named."
		return n, nil
	}
	all, ok := b.known[name]
	if !ok {
		var err error
		if all, err = b.store.Versions(ctx, flags.DocumentID{Kind: flags.KindRule, Name: name}); err != nil {
			return n, fmt.Errorf("rule %q: %w", name, err)
		}
		b.known[name] = all
	}
	for i := range all {
		v := &all[i]
		if v.Status == flags.StatusDeleted {
			continue
		}
		rule, err := Stored(v.Content)
		if err != nil {
			return n, fmt.Errorf("rule %q revision %d: %w", name, v.Revision, err)
		}
		if text := strconv.Itoa(rule.Version); version == "" || version == text || version == "v"+text {
			n.Rule, n.Revision, n.Version = rule, v.Revision, text
			return n, nil
		}
	}
	if rule, ok := Implicit(name); ok && len(all) == 0 {
		n.Rule = rule
		return n, nil
	}
	switch {
	case len(all) == 0:
		n.Missing = "There is no rule " + strconv.Quote(name) + " here."
	default:
		n.Missing = "Rule " + strconv.Quote(name) + " has no version " + strconv.Quote(version) + " here."
	}
	return n, nil
}
