package ui

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"tidemark/flags/guarantee"
	"tidemark/web/auth"
)

// guaranteeDocument is the current revision as it would be applied again.
func (u *UI) guaranteeDocument(c echo.Context) error {
	d, err := u.o.Catalogue.Get(c.Request().Context(), guaranteeID(c))
	if err != nil {
		return err
	}
	return download(c, "guarantee.yaml", d.Content)
}

// guaranteeSLO is the promise as OpenSLO says it.
func (u *UI) guaranteeSLO(c echo.Context) error {
	d, err := u.o.Catalogue.GetInForce(c.Request().Context(), guaranteeID(c))
	if err != nil {
		return err
	}
	return download(c, "openslo.yaml", guarantee.OpenSLO(d.Document.Guarantee))
}

func download(c echo.Context, name string, content []byte) error {
	h := c.Response().Header()
	h.Set(echo.HeaderContentDisposition, `attachment; filename="`+name+`"`)
	h.Set(echo.HeaderCacheControl, "no-store")
	return c.Blob(http.StatusOK, "application/yaml; charset=utf-8", content)
}

func (u *UI) restoreGuarantee(c echo.Context) error {
	ctx := c.Request().Context()
	id := guaranteeID(c)
	versions, err := u.o.Catalogue.Versions(ctx, id)
	if err != nil {
		return err
	}
	n, err := readRevision("revision", c.FormValue("revision"), versions)
	if err != nil {
		return err
	}
	base, err := formRevisionOr(c, "base", 0)
	if err != nil {
		return err
	}
	by := guarantee.Author{Actor: auth.Who(c).Actor(), Reason: c.FormValue("reason")}
	if _, err := u.o.Catalogue.Restore(ctx, id, n, base, by); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, guaranteeURL(id.Name))
}

func (u *UI) reviewGuarantee(c echo.Context) error {
	id := guaranteeID(c)
	revision, err := formRevisionOr(c, "revision", 0)
	if err != nil {
		return err
	}
	by := guarantee.Author{Actor: auth.Who(c).Actor()}
	if _, err := u.o.Catalogue.AddReview(c.Request().Context(), id, revision, c.FormValue("decision"), c.FormValue("note"), by); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, guaranteeURL(id.Name)+"#reviews")
}
