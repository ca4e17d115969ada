package ui

import (
	"context"
	"fmt"
	"slices"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/access"
	"tidemark/flags/guarantee"
	"tidemark/flags/rollout"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// aboutGuarantee says which features the revisions of a promise are about: a restore
// may bring any of them back.
func (u *UI) aboutGuarantee(c echo.Context) ([]string, error) {
	versions, err := u.o.Catalogue.Versions(c.Request().Context(), guaranteeID(c))
	return guarantee.Features(versions), err
}

// aboutReview says which feature the promise in force is about: a review changes nothing,
// so that it is for whose promise it is now.
func (u *UI) aboutReview(c echo.Context) ([]string, error) {
	d, err := u.o.Catalogue.GetInForce(c.Request().Context(), guaranteeID(c))
	return []string{d.Feature}, err
}

// aboutRollout says which features a rollout is about.
func (u *UI) aboutRollout(c echo.Context) ([]string, error) {
	r, err := u.o.Rollouts.Get(c.Request().Context(), pathParam(c, "id"))
	if err != nil {
		return nil, err
	}
	if err := rollout.CheckOwners(rollout.CommandVerb(pathParam(c, "verb")), &r.Plan); err != nil {
		return nil, fmt.Errorf("%w: %w", access.ErrForbidden, err)
	}
	return u.o.Rollouts.About(c.Request().Context(), &r.Plan)
}

// saferRollout is about what who owns any of a rollout's features may do.
func saferRollout(c echo.Context) bool { return rollout.CommandVerb(pathParam(c, "verb")).Safer() }

// mayRollout says which commands somebody may give a rollout, as the routes do.
func (u *UI) mayRollout(ctx context.Context, who *access.Identity, r *flags.Rollout) (func(rollout.CommandVerb) bool, error) {
	if who.May(access.Control) {
		return func(rollout.CommandVerb) bool { return true }, nil
	}
	if !who.IsPerson() || len(who.User.Features) == 0 {
		return func(rollout.CommandVerb) bool { return false }, nil
	}
	about, err := u.o.Rollouts.About(ctx, &r.Plan)
	if err != nil {
		return nil, err
	}
	all, some := who.MayControl(about...), slices.ContainsFunc(about, who.User.Owns)
	return func(v rollout.CommandVerb) bool {
		return all && rollout.CheckOwners(v, &r.Plan) == nil || some && v.Safer()
	}, nil
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
		Flag: f.get("flag"), Feature: f.get("feature"), Guarantee: f.get("guarantee"), Completes: f.get("completes"),
	})
}
