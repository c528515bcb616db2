// Calls a node driver as kubelet does: with kubelet's own gRPC library and messages, over one connection, as many calls at
// once as there are pods, each with one claim.
//
// Lines of standard input: `SOCKET`, then one `NAMESPACE NAME UID` for each claim, then an empty line; again and again. For
// each such block it prints one line: the seconds that each call took, in the order of the claims.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"k8s.io/kubelet/pkg/apis/dra/v1"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	if !lines.Scan() {
		log.Fatal("the first line names the socket")
	}
	connection, err := grpc.NewClient("unix://"+lines.Text(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	driver := v1.NewDRAPluginClient(connection)
	var claims []*v1.Claim
	for lines.Scan() {
		if words := strings.Fields(lines.Text()); len(words) == 3 {
			claims = append(claims, &v1.Claim{Namespace: words[0], Name: words[1], Uid: words[2]})
			continue
		}
		fmt.Println(strings.Join(burst(driver, claims), " "))
		claims = nil
	}
}

func burst(driver v1.DRAPluginClient, claims []*v1.Claim) []string {
	taken := make([]string, len(claims))
	var all sync.WaitGroup
	for i, claim := range claims {
		all.Go(func() { taken[i] = fmt.Sprintf("%.6f", one(driver, claim).Seconds()) })
	}
	all.Wait()
	return taken
}

func one(driver v1.DRAPluginClient, claim *v1.Claim) time.Duration {
	start := time.Now()
	answer, err := driver.NodePrepareResources(context.Background(), &v1.NodePrepareResourcesRequest{Claims: []*v1.Claim{claim}})
	if err != nil {
		log.Fatal(err)
	}
	if problem := answer.Claims[claim.Uid].GetError(); problem != "" {
		log.Fatal(problem)
	}
	return time.Since(start)
}
