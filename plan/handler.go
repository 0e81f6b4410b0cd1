package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// HubPath is the prefix of the paths of Hub.Handler: HubPath + node + "/work", "/report" or "/answer".
const HubPath = "/onramp/v1/nodes/"

// maxBody bounds what either end reads of the other: plans of thousands of circuits and whole tables of routes fit many times.
const maxBody = 64 << 20

// Handler serves the lines to the nodes over HTTP, below HubPath. allow decides whether a request may speak for a node (see Bearer for
// its token); its error is for the log of the node's operator.
//
//	GET  work?have=N   the next Work as JSON, after at most 25 s; 204 when there is none
//	POST report        a Report
//	POST answer        an Answer
func (h *Hub) Handler(allow func(node string, r *http.Request) error) http.Handler {
	mux := http.NewServeMux()
	serve := func(pattern string, do func(Link, http.ResponseWriter, *http.Request) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			node := r.PathValue("node")
			if err := allow(node, r); err != nil {
				http.Error(w, fmt.Sprintf("may not speak for node %q: %v", node, err), http.StatusForbidden)
				return
			}
			if err := do(h.Link(node), w, r); err != nil {
				http.Error(w, err.Error(), statusOf(err))
			}
		})
	}
	serve("GET "+HubPath+"{node}/work", serveWork)
	serve("POST "+HubPath+"{node}/report", serveReport)
	serve("POST "+HubPath+"{node}/answer", serveAnswer)
	return mux
}

// Bearer is the bearer token of a request; "" when it has none.
func Bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

func statusOf(err error) int {
	var big *http.MaxBytesError
	if errors.As(err, &big) {
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}

func serveWork(l Link, w http.ResponseWriter, r *http.Request) error {
	have, err := strconv.ParseInt(r.FormValue("have"), 10, 64)
	if err != nil {
		return fmt.Errorf("have: want the generation as a number: %w", err)
	}
	work, err := l.Next(r.Context(), have)
	if err != nil {
		return err // the node hung up, nobody reads this
	}
	if work.Plan == nil && len(work.Queries) == 0 {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(work) // a node that hung up asks again
	return nil
}

func serveReport(l Link, w http.ResponseWriter, r *http.Request) error {
	var report Report
	if err := readJSON(w, r, &report); err != nil {
		return fmt.Errorf("read report: %w", err)
	}
	if err := l.Report(r.Context(), report); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func serveAnswer(l Link, w http.ResponseWriter, r *http.Request) error {
	var answer Answer
	if err := readJSON(w, r, &answer); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if err := l.Answer(r.Context(), answer); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func readJSON(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return err
	}
	return json.Unmarshal(body, v)
}
