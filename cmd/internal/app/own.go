package app

import (
	"context"
	"fmt"

	"github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/isolated"

	"tidemark/flags/provider"
	"tidemark/web/ui"
)

// ownDomain names the server's own client of OpenFeature.
const ownDomain = "tidemark-dashboard"

// openOwnFlags lets the dashboard ask the server's own flags, as any Go service does:
// by OpenFeature's SDK and this project's provider, which holds the flags in process. Its
// questions count as usage of the flag, as those over the network do.
func (a *App) openOwnFlags(ctx context.Context) error {
	p, err := provider.New(provider.Options{Source: provider.Local{Flags: a.flags}, Observe: a.flags.Count, Now: a.o.Now})
	if err != nil {
		return fmt.Errorf("flags of the dashboard: %w", err)
	}
	sdk := isolated.NewAPI()
	if err := sdk.SetProviderAndWait(ctx, p, openfeature.WithDomain(ownDomain)); err != nil {
		return fmt.Errorf("flags of the dashboard: %w", err)
	}
	a.own = sdk.NewClient(openfeature.WithDomain(ownDomain))
	a.onStop("flags of the dashboard", sdk.Shutdown)
	return nil
}

// updates is how a person's pages learn of changes. Without the flag, and whenever it
// cannot be evaluated, they are told by a stream.
func (a *App) updates(ctx context.Context, person string) string {
	who := openfeature.NewEvaluationContext(person, nil)
	return a.own.String(ctx, ui.UpdatesFlag, ui.UpdatesStream, who)
}
