package api

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags"
	"tidemark/flags/eval"
	"tidemark/web/respond"
)

// EvaluateRequest asks what a context gets of a flag, and why. It is not counted as
// usage and gives no pin that outlives the question.
type EvaluateRequest struct {
	Context eval.Context `json:"context"`
	At      *time.Time   `json:"at"` // when; now by default
	// Definition tries a content of the flag that is not stored.
	Definition json.RawMessage `json:"definition,omitempty"`
}

func (f *Flags) evaluateFlag(c echo.Context) error {
	var in EvaluateRequest
	if err := readJSON(c, &in); err != nil {
		return err
	}
	key, now := pathParam(c, "key"), f.o.Now()
	if in.At != nil {
		now = *in.At
	}
	set := f.o.Catalogue.Set()
	if in.Definition != nil {
		var err error
		if set, err = f.o.Catalogue.Try(flags.DocumentID{Kind: flags.KindFlag, Name: key}, in.Definition); err != nil {
			return refuseDefinition(c, err)
		}
	} else if _, err := f.o.Catalogue.Get(flags.DocumentID{Kind: flags.KindFlag, Name: key}); err != nil {
		return err
	}
	return respond.JSON(c, http.StatusOK, ViewExplanation(set.Explain(key, in.Context, now)))
}

// Explained is an answer with how it came about.
type Explained struct {
	Flag     string          `json:"flag"`
	Value    json.RawMessage `json:"value"` // null: the code's default counts
	Variant  string          `json:"variant,omitempty"`
	Reason   eval.Reason     `json:"reason"`
	Code     eval.ErrorCode  `json:"error_code,omitempty"`
	Details  string          `json:"error_details,omitempty"`
	Metadata map[string]any  `json:"metadata"`
	Steps    []eval.Step     `json:"steps"` // what was looked at, in order
}

// ViewExplanation is what programs get of an explanation, here and from the command
// line.
func ViewExplanation(x eval.Explanation) Explained {
	r := &x.Result
	return Explained{
		Flag: r.Key, Value: r.JSON, Variant: r.Variant, Reason: r.Reason, Code: r.Code, Details: r.Details,
		Metadata: r.Metadata.Map(), Steps: orEmpty(x.Steps),
	}
}
