package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// cloudError is ARM's error object.
type cloudError struct {
	Code    string       `json:"code"`
	Message string       `json:"message"`
	Target  string       `json:"target"`
	Details []cloudError `json:"details"`
}

// String is "code: message (target)", with each detail on a line of its own.
func (e cloudError) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Code, e.Message)
	if e.Target != "" {
		fmt.Fprintf(&b, " (%s)", e.Target)
	}
	for _, d := range e.Details {
		fmt.Fprintf(&b, "\n  %s", d)
	}
	return b.String()
}

// describe is an error for people: ARM's own words where it has some.
func describe(err error) string {
	var re *azcore.ResponseError
	if errors.As(err, &re) {
		if e, ok := responseError(re); ok {
			return e.String()
		}
		code := re.ErrorCode
		if code == "" {
			code = http.StatusText(re.StatusCode)
		}
		return fmt.Sprintf("%s: the service answered %d without saying why", code, re.StatusCode)
	}
	var auth *azidentity.AuthenticationFailedError
	if errors.As(err, &auth) {
		return "AuthenticationFailed: " + loginProblem(auth)
	}
	return err.Error()
}

// responseError reads the error object of an answer, or of a failed operation's status.
func responseError(re *azcore.ResponseError) (cloudError, bool) {
	var body struct {
		Error cloudError `json:"error"`
	}
	if re.RawResponse == nil || re.RawResponse.Body == nil {
		return cloudError{}, false
	}
	b, err := io.ReadAll(re.RawResponse.Body)
	if err != nil || json.Unmarshal(b, &body) != nil || body.Error.Message == "" {
		return cloudError{}, false
	}
	if body.Error.Code == "" {
		body.Error.Code = re.ErrorCode
	}
	return body.Error, true
}

// loginProblem says why a login failed, without the request's details.
func loginProblem(auth *azidentity.AuthenticationFailedError) string {
	var body struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if auth.RawResponse != nil && auth.RawResponse.Body != nil {
		b, err := io.ReadAll(auth.RawResponse.Body)
		if err == nil && json.Unmarshal(b, &body) == nil && body.Error != "" {
			return fmt.Sprintf("login refused: %s: %s", body.Error, body.Description)
		}
	}
	text, _, _ := strings.Cut(auth.Error(), "\n")
	return text
}
