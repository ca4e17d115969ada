package ofrep

import (
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags/eval"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// single answers what one unit gets of one flag.
func (h *Handler) single(c echo.Context) error {
	s := h.take()
	defer h.put(s)
	key := respond.PathParam(c, "key")
	if err := s.read(c.Request()); err != nil {
		return refuse(c, err, &key)
	}
	now := h.o.Now()
	set := h.o.Flags.Set()
	r := h.evaluate(set, key, s.ctx, now)
	s.out = r.AppendJSON(s.out[:0])
	if counted(c) {
		h.o.Flags.Observe(set, &r)
		h.o.Flags.Asked(s.ctx)
	}
	return send(c, statusOf(r.Code), s.out)
}

// counted reports whether an answer counts as usage, its pin among those given, and its
// context for the sample: where a service asks. What somebody who is signed in asks is a
// question, as in the playground: else they could ask whether a unit is new to a count.
func counted(c echo.Context) bool {
	who := auth.Who(c)
	return who == nil || !who.IsPerson()
}

// evaluate asks the set. A key that no flag can have is answered like any unknown
// one, without being repeated whole.
func (h *Handler) evaluate(set *eval.Set, key string, ctx eval.Context, now time.Time) eval.Result {
	if len(key) > eval.MaxKeyBytes {
		return eval.Result{Key: key[:eval.MaxKeyBytes], Code: eval.CodeFlagNotFound, Reason: eval.ReasonError, Details: "There is no flag with a key as long as that."}
	}
	return set.Evaluate(key, ctx, now)
}
