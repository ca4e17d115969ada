package decode

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/VictoriaMetrics/easyproto"
)

// Codes of google.rpc.Status that an OTLP server answers with.
const (
	StatusInvalidArgument   = 3
	StatusDeadlineExceeded  = 4
	StatusPermissionDenied  = 7
	StatusResourceExhausted = 8
	StatusInternal          = 13
	StatusUnavailable       = 14
	StatusUnauthenticated   = 16
)

// Partial is what an OTLP export response says of what was rejected: how many
// spans or log records, and the first reason. Nothing rejected gives "".
func (b *Batch) Partial() (rejected int, message string) {
	if rejected = b.RejectedItems(); rejected == 0 {
		return 0, ""
	}
	first := b.Rejected[0]
	return rejected, fmt.Sprintf("%s: %s (item %d; %d rejected)", first.Code, first.Message, first.Index, rejected)
}

// TracesResponse is the body of an ExportTraceServiceResponse. partial_success is
// left out when nothing was rejected.
func TracesResponse(rejected int, message string, isJSON bool) []byte {
	return exportResponse("rejectedSpans", rejected, message, isJSON)
}

// LogsResponse is the body of an ExportLogsServiceResponse.
func LogsResponse(rejected int, message string, isJSON bool) []byte {
	return exportResponse("rejectedLogRecords", rejected, message, isJSON)
}

func exportResponse(count string, rejected int, message string, isJSON bool) []byte {
	if rejected == 0 && message == "" {
		if isJSON {
			return []byte("{}")
		}
		return []byte{}
	}
	if isJSON {
		body, _ := json.Marshal(map[string]any{"partialSuccess": map[string]string{ // strings always marshal
			count: strconv.Itoa(rejected), "errorMessage": message,
		}})
		return body
	}
	var mp easyproto.MarshalerPool
	m := mp.Get()
	partial := m.MessageMarshaler().AppendMessage(1)
	partial.AppendInt64(1, int64(rejected))
	partial.AppendString(2, message)
	return m.Marshal([]byte{})
}

// StatusBody is a google.rpc.Status, which every OTLP/HTTP error answer carries.
func StatusBody(code int, message string, isJSON bool) []byte {
	if isJSON {
		body, _ := json.Marshal(struct { // neither can fail to marshal
			Code    int    `json:"code"`
			Message string `json:"message"`
		}{code, message})
		return body
	}
	var mp easyproto.MarshalerPool
	m := mp.Get()
	status := m.MessageMarshaler()
	status.AppendInt32(1, int32(code))
	status.AppendString(2, message)
	return m.Marshal([]byte{})
}
