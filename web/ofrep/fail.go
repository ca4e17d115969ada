package ofrep

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"tidemark/flags/eval"
	"tidemark/web/respond"
)

// fail answers with what stands before the evaluation (identity, limits), or went
// wrong inside, in the protocol's form.
func fail(c echo.Context, p *respond.Problem) error {
	if p.Status == http.StatusInternalServerError {
		p.Detail = "Something went wrong inside tidemark; the server's log has it under " + p.Instance + "."
	}
	b := append([]byte(nil), `{"errorDetails":`...)
	b = eval.AppendQuoted(b, p.Detail)
	return send(c, p.Status, append(b, '}'))
}

// refuse answers a request that cannot be understood. An evaluation of one flag names
// it in the answer; that of all has no key.
func refuse(c echo.Context, err error, key *string) error {
	bad, ok := errors.AsType[*badError](err)
	if !ok {
		return err
	}
	b := []byte("{")
	if key != nil {
		b = append(b, `"key":`...)
		b = eval.AppendQuoted(b, (*key)[:min(len(*key), eval.MaxKeyBytes)])
		b = append(b, ',')
	}
	b = eval.AppendFailure(b, bad.code, bad.details)
	return send(c, statusOf(bad.code), append(b, '}'))
}
