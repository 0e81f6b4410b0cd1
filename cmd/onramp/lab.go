package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"onramp/cli"
	"onramp/lab"
)

// labCommand is worlds in network namespaces.
func labCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "lab", Short: "Whole worlds in network namespaces on this machine (as root)", GroupID: "run",
		Example: "  onramp lab up labs/first-circuit.yaml",
		RunE: func(c *cobra.Command, args []string) error {
			if err := cli.Arguments(0, 0)(c, args); err != nil {
				return err
			}
			return c.Help()
		},
	}
	c.AddCommand(labUp(), labDown(), labStatus(), labExec(), labDrill(), labTest())
	return c
}

// labUp brings a world up and tells its story.
func labUp() *cobra.Command {
	var o lab.Options
	c := &cobra.Command{
		Use: "up FILE", Short: "Bring a world up, tell its story, keep it until Ctrl-C", Args: cli.Arguments(1, 1),
		Example: "  onramp lab up labs/first-circuit.yaml\n  onramp lab up -d labs/first-circuit.yaml",
		RunE: func(c *cobra.Command, args []string) error {
			w, err := lab.Load(args[0])
			if err != nil {
				return err
			}
			o.Out = c.OutOrStdout()
			return lab.Up(c.Context(), w, o)
		},
	}
	c.Flags().BoolVarP(&o.Detach, "detach", "d", false, "return when the story is told, and leave the world running")
	c.Flags().BoolVar(&o.Keep, "keep", false, "leave the world running when its story fails")
	c.Flags().BoolVar(&o.WorldOnly, "world-only", false, "only namespaces, cables, routers and hosts: no control, nodes and story")
	return c
}

// labDown ends a world.
func labDown() *cobra.Command {
	return &cobra.Command{
		Use: "down [NAME]", Short: "End a world and remove everything of it", Args: cli.Arguments(0, 1),
		Example: "  onramp lab down first-circuit", ValidArgsFunction: completeLabs,
		RunE: func(c *cobra.Command, args []string) error {
			name, err := labName(args)
			if err != nil {
				return err
			}
			return lab.Down(c.Context(), name, lab.Options{Out: c.OutOrStdout()})
		},
	}
}

// labStatus tells the labs, or one of them.
func labStatus() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use: "status [NAME]", Short: "List the labs, or show one: its drawing, processes, drills", Args: cli.Arguments(0, 1),
		Example: "  onramp lab status\n  onramp lab status first-circuit", ValidArgsFunction: completeLabs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				s, err := lab.StatusOf(args[0], lab.Options{})
				if err != nil {
					return err
				}
				return printLab(c.OutOrStdout(), s, output)
			}
			all, err := lab.List("")
			if err != nil {
				return err
			}
			return printLabs(c.OutOrStdout(), all, output)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return c
}

// printLabs prints one line per lab.
func printLabs(w io.Writer, all []lab.Status, output string) error {
	if output == "json" {
		return printJSON(w, all)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tREADY\tENDPOINT\tPROCESSES\tCREATED")
	for _, s := range all {
		fmt.Fprintf(t, "%s\t%t\t%s\t%s\t%s\n", s.Name, s.Ready, s.Endpoint, aliveOf(s), s.Created)
	}
	return t.Flush()
}

// aliveOf counts a lab's processes.
func aliveOf(s lab.Status) string {
	alive := 0
	for _, p := range s.Processes {
		if p.Alive {
			alive++
		}
	}
	return fmt.Sprintf("%d/%d", alive, len(s.Processes))
}

// printLab prints one lab.
func printLab(w io.Writer, s lab.Status, output string) error {
	if output == "json" {
		return printJSON(w, s)
	}
	fmt.Fprintf(w, "%s\nendpoint   %s\nfiles      %s\ncut        %v\ndrills     %v\n\n", s.Drawing, s.Endpoint, s.Directory, s.Cut, s.Drills)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PROCESS\tPID\tALIVE\tLOG")
	for _, p := range s.Processes {
		fmt.Fprintf(t, "%s\t%d\t%t\t%s\n", p.Name, p.PID, p.Alive, p.Log)
	}
	return t.Flush()
}

// printJSON prints a value indented.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// labExec runs a program in a place of a world.
func labExec() *cobra.Command {
	c := &cobra.Command{
		Use: "exec NAME PLACE COMMAND [ARGUMENT]...", Short: "Run a program in one place of a world", Args: cli.Arguments(3, 1000),
		Example:           "  onramp lab exec first-circuit host -- ping -c 3 10.20.1.4\n  onramp lab exec first-circuit edge1 -- tcpdump -ni pe0",
		ValidArgsFunction: completeLabs,
		RunE: func(c *cobra.Command, args []string) error {
			program := args[2:]
			if program[0] == "--" {
				program = program[1:]
			}
			return lab.Exec(args[0], args[1], program, lab.Options{})
		},
	}
	c.Flags().SetInterspersed(false) // what follows the place is the program's own
	return c
}

// labDrill runs a drill.
func labDrill() *cobra.Command {
	return &cobra.Command{
		Use: "drill NAME DRILL", Short: "Take a cable out and back under a numbered packet stream, and count the loss", Args: cli.Arguments(2, 2),
		Example: "  onramp lab drill first-circuit primary", ValidArgsFunction: completeLabs,
		RunE: func(c *cobra.Command, args []string) error {
			return lab.Drill(c.Context(), args[0], args[1], lab.Options{Out: c.OutOrStdout()})
		},
	}
}

// labTest runs a world to its end.
func labTest() *cobra.Command {
	var out string
	var repeat int
	c := &cobra.Command{
		Use: "test FILE", Short: "Run a world to its end, check, take it down; exit 0 only if every check held", Args: cli.Arguments(1, 1),
		Example: "  onramp lab test labs/first-circuit.yaml --json out.json",
		RunE: func(c *cobra.Command, args []string) error {
			return lab.Test(c.Context(), args[0], out, lab.Options{Out: c.OutOrStdout(), Repeat: repeat})
		},
	}
	c.Flags().StringVar(&out, "json", "", "write what was measured to this file")
	c.Flags().IntVar(&repeat, "repeat", 1, "run each drill so often, and tell minimum, median and maximum")
	return c
}

// labName is the lab that is meant: the one named, or the only one there is.
func labName(args []string) (string, error) {
	if len(args) == 1 {
		return args[0], nil
	}
	all, err := lab.List("")
	if err != nil {
		return "", err
	}
	if len(all) != 1 {
		return "", fmt.Errorf("%d labs exist: name one (see 'onramp lab status')", len(all))
	}
	return all[0].Name, nil
}

// completeLabs offers the names of the labs.
func completeLabs(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	all, err := lab.List("")
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, s := range all {
		names = append(names, s.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
