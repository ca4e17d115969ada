package decode

import (
	"fmt"
	"mime"
	"net/http"
)

// Format is one of the ways in which events are sent to /v1/events.
type Format uint8

// The formats.
const (
	FormatNative           Format = iota + 1 // tidemark's own, or a Debezium envelope
	FormatCloudEvent                         // one structured CloudEvent
	FormatCloudEventBatch                    // an array of structured CloudEvents
	FormatCloudEventBinary                   // a CloudEvent whose attributes are ce-* headers
)

// Select tells the format of a request to /v1/events by its headers. No content
// type counts as JSON. Anything else that is not known is ErrMediaType.
func Select(h http.Header) (Format, error) {
	contentType := h.Get("Content-Type")
	media, _, err := mime.ParseMediaType(contentType)
	if contentType == "" {
		media, err = "application/json", nil
	}
	switch {
	case err != nil:
		return 0, fmt.Errorf("%w: %s is not a media type", ErrMediaType, shorten(contentType))
	case media == "application/cloudevents+json":
		return FormatCloudEvent, nil
	case media == "application/cloudevents-batch+json":
		return FormatCloudEventBatch, nil
	case h.Get("Ce-Specversion") != "" && (media == "application/json" || media == "application/octet-stream"):
		return FormatCloudEventBinary, nil
	case media == "application/json", media == "text/json", isLines(contentType):
		return FormatNative, nil
	}
	return 0, fmt.Errorf("%w: %s; send application/json, application/x-ndjson, application/cloudevents+json or application/cloudevents-batch+json",
		ErrMediaType, shorten(media))
}

// IsOTLPJSON tells the encoding of a request to /v1/traces or /v1/logs by its
// Content-Type. Anything but protobuf and JSON is ErrMediaType.
func IsOTLPJSON(contentType string) (bool, error) {
	media, _, err := mime.ParseMediaType(contentType)
	switch {
	case err == nil && media == "application/x-protobuf":
		return false, nil
	case err == nil && media == "application/json":
		return true, nil
	}
	return false, fmt.Errorf("%w: %s; send application/x-protobuf or application/json", ErrMediaType, shorten(contentType))
}

// Events reads a request to /v1/events in whichever format its headers say. See
// Native, CloudEvents and Debezium for the errors, and Select for ErrMediaType.
func Events(h http.Header, body []byte, o *Options, b *Batch) error {
	format, err := Select(h)
	if err != nil {
		return err
	}
	switch {
	case format != FormatNative:
		return CloudEvents(h, format, body, o, b)
	case IsDebezium(body):
		return Debezium(body, h.Get("Content-Type"), o, b)
	}
	return Native(body, h.Get("Content-Type"), b)
}
