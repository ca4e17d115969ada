package ui

import (
	"fmt"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
)

// aboutGuarantee says which features the revisions of a promise are about: a restore
// may bring any of them back.
func (u *UI) aboutGuarantee(c echo.Context) ([]string, error) {
	id := guaranteeID(c)
	versions, err := u.o.Catalogue.Versions(c.Request().Context(), id)
	if err != nil {
		return nil, err
	}
	if len(versions) == 0 {
		return nil, fmt.Errorf("%s: %w", id, flags.ErrNotFound)
	}
	features := make([]string, len(versions))
	for i := range versions {
		features[i] = versions[i].Feature
	}
	return features, nil
}

// aboutRollout says which feature a rollout is about.
func (u *UI) aboutRollout(c echo.Context) ([]string, error) {
	r, err := u.o.Rollouts.Get(c.Request().Context(), pathParam(c, "id"))
	if err != nil {
		return nil, err
	}
	return []string{r.Plan.Feature}, nil
}
