package ui

import (
	"slices"
	"testing"

	"tidemark/flags/access"
	"tidemark/views/page"
)

// TestOnlyWhoHasAPasswordHereIsOfferedAnother: who signs in at a provider changes it there.
func TestOnlyWhoHasAPasswordHereIsOfferedAnother(t *testing.T) {
	t.Parallel()
	id := access.PersonIdentity(access.User{Name: "ana", Role: access.Viewer})
	for issuer, want := range map[string]bool{"": true, "https://id.example": false} {
		got := slices.ContainsFunc(accessActions(id, &known{self: access.Account{Name: "ana", Issuer: issuer}}), func(a page.Action) bool {
			return a.URL == accessURL+"/password"
		})
		if got != want {
			t.Errorf("issuer %q: offered %v", issuer, got)
		}
	}
}
