package resource

import "time"

// Deployment is a template that is ordered as a whole: its resources are ordered one after the other, each after those it depends on.
// Meta.State is Updating while it runs, and Meta.Failure says why it failed.
type Deployment struct {
	Meta        Head
	Run         string // GUID, new with every order of the same deployment
	Plan        Sealed // template and parameters as they were ordered, JSON: they may hold secrets
	Parameters  []byte // what may be shown of the parameters, JSON
	Principal   string // client id of who ordered it, and whose rights count
	Correlation string // GUID that the orders of its resources carry

	Started time.Time
	Ended   time.Time // zero: it runs
	Steps   []DeploymentStep
	Outputs []byte // JSON; nil: none
}

// DeploymentStep is one resource of a deployment.
type DeploymentStep struct {
	Target ID
	After  []int // steps it waits for

	State     StepState
	Begun     time.Time // when somebody began to order it
	Operation string    // of the order; "" when it had none
	Failure   *Failure
}

// StepState is how far a step is.
type StepState string

// The states of steps.
const (
	StepWaiting  StepState = ""
	StepOrdering StepState = "Ordering" // somebody is about to order it, since Begun
	StepRunning  StepState = "Running"  // ordered; Operation ends it
	StepDone     StepState = "Succeeded"
	StepFailed   StepState = "Failed"
)

// Head returns the common part.
func (d *Deployment) Head() *Head { return &d.Meta }

// Kind returns KindDeployment.
func (d *Deployment) Kind() Kind { return KindDeployment }
