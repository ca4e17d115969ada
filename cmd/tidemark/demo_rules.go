package main

import (
	"context"
	"fmt"
	"time"

	"tidemark/flags"
	"tidemark/flags/flagset"
	control "tidemark/flags/sqlite"
)

// writeRules stores how the demonstration's conflicts are decided: the rule that its
// carts follow, and the one before it.
func writeRules(ctx context.Context, store *control.Store, now func() time.Time) error {
	catalogue, err := flagset.Open(ctx, flagset.Options{Store: store, Now: now})
	if err != nil {
		return err
	}
	id := flags.DocumentID{Kind: flags.KindRule, Name: "cart-merge"}
	for _, r := range []struct{ file, reason string }{
		{"demo/rule-cart-merge-2.json", "The later change wins."},
		{"demo/rule-cart-merge-3.json", "Whoever added an item first lost it too often."},
	} {
		content, err := demoFiles.ReadFile(r.file)
		if err != nil {
			return err
		}
		edit := flagset.Edit{ID: id, Content: content, Base: flagset.AnyBase}
		if _, err := catalogue.Save(ctx, edit, flags.Author{Actor: "cli:demo", Reason: r.reason}); err != nil {
			return fmt.Errorf("%s: %w", r.file, err)
		}
	}
	return nil
}
