package ui

import (
	"fmt"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/web/auth"
	"tidemark/web/respond"
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

// aboutOwn is about what the person's teams own: any owner may begin a plan.
func aboutOwn(c echo.Context) ([]string, error) { return auth.Who(c).User.Features, nil }

// aboutPlan says which features the plan in a form is about.
func (u *UI) aboutPlan(c echo.Context) ([]string, error) {
	v, err := c.FormParams()
	if err != nil {
		return nil, respond.Bad("form", "The form cannot be read: %s.", err)
	}
	f := &planForm{v: v}
	return u.o.Rollouts.About(c.Request().Context(), &flags.Plan{
		Flag: f.get("flag"), Feature: f.get("feature"), Guarantee: f.get("guarantee"),
	})
}
