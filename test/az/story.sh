#!/bin/bash
# story.sh PROFILES tells the customer's and the provider's whole story with az 2.45.0, and prints every command with what it answers.
# PROFILES is a directory with customer.json and provider.json: what a lab and the tests write. What differs from run to run (ids, keys, etags,
# times) is printed as a word. It ends with an error at the first command that does what it should not.
set -euo pipefail

profiles=$1
group=${STORY_GROUP:-rg-az} region=${STORY_REGION:-westus2} provider=${STORY_PROVIDER:-OnrampExchange} location=${STORY_LOCATION:-Seattle}
primary=${STORY_PRIMARY:-xchg1/ce1} secondary=${STORY_SECONDARY:-xchg1/ce2} machine=${STORY_MACHINE:-host1/vm1} vlan=${STORY_VLAN:-200}

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PYTHONPATH=$here/shim AZURE_CORE_COLLECT_TELEMETRY=0 AZURE_CORE_NO_COLOR=1 AZURE_CORE_ONLY_SHOW_ERRORS=1
export AZURE_EXTENSION_USE_DYNAMIC_INSTALL=no PYTHONWARNINGS=ignore

of() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$profiles/$1.json" "$2"; }
as() { export AZURE_CONFIG_DIR=$work/$1 REQUESTS_CA_BUNDLE; REQUESTS_CA_BUNDLE=$(of "$1" ca); }

# plain replaces what differs from run to run.
plain() {
	sed -E -e "s#$(of customer endpoint)#https://onramp#g" -e "s/$(of customer subscription)/SUBSCRIPTION/g; s/$(of provider subscription)/PROVIDER/g" \
		-e "s/$(of customer clientId)/CLIENT/g; s/$(of provider clientId)/CLIENT/g; s/$(of customer clientSecret)/SECRET/g; s/$(of provider clientSecret)/SECRET/g" \
		-e 's/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/GUID/g' -e 's/vpn_connection_deploy_[A-Za-z0-9]{32}/vpn_connection_deploy_RANDOM/g' \
		-e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|\+00:00)/TIME/g' -e 's/"(PT[0-9.]+S|[0-9.:]*h?[0-9]+m[0-9.]*s?|[0-9]+:[0-9]{2}:[0-9.]+)"/"DURATION"/g'
}

# run prints a command and its answer; the answer must be a success. fails wants a refusal.
run() {
	echo "\$ $*" | plain
	if ! timeout 90 "$@" >"$work/out" 2>"$work/err"; then
		cat "$work/out" "$work/err"
		echo "story: this command failed" >&2
		exit 1
	fi
	plain <"$work/out"
	echo
}
fails() {
	echo "\$ $*" | plain
	if timeout 90 "$@" >"$work/out" 2>"$work/err"; then
		cat "$work/out"
		echo "story: this command should have been refused" >&2
		exit 1
	fi
	plain <"$work/err" | awk 'NF && n++ < 3'
	echo
}

login() {
	as "$1"
	az cloud register -n onramp --endpoint-resource-manager "$(of "$1" endpoint)" -o none
	az cloud set -n onramp
	run az login --service-principal -u "$(of "$1" clientId)" -p "$(of "$1" clientSecret)" --tenant adfs --query '[].{name:name, id:id, state:state, cloud:cloudName}'
}

er="az network express-route"

echo "## Login"
login provider
login customer
run az account list-locations --query '[].[name, displayName]' -o tsv
run az provider show -n Microsoft.Network --query registrationState

echo "## The customer orders a circuit"
run az group create -n "$group" -l "$region" --query properties
run $er list-service-providers --query "[?name=='$provider'].{name:name, locations:peeringLocations, first:bandwidthsOffered[0]}"
run $er create -g "$group" -n er1 --provider "$provider" --peering-location "$location" --bandwidth 200 --sku-tier Standard --sku-family MeteredData
run $er show -g "$group" -n er1 --query '{state:provisioningState, circuit:circuitProvisioningState, provider:serviceProviderProvisioningState}'
fails $er show -g "$group" -n er9
run $er auth create -g "$group" --circuit-name er1 -n a1 --query '{name:name, use:authorizationUseStatus, state:provisioningState}'
run $er auth list -g "$group" --circuit-name er1 --query '[].name' -o tsv
key=$(az network express-route show -g "$group" -n er1 --query serviceKey -o tsv)

echo "## The provider provisions it"
as provider
sub=$(of provider subscription)
cross=$(az rest --url "/subscriptions/$sub/providers/Microsoft.Network/expressRouteCrossConnections?api-version=2022-01-01" --query "value[?name=='$key'].id" -o tsv)
run az rest --url "$cross?api-version=2022-01-01" --query 'properties.{circuit:expressRouteCircuit.id, mbps:bandwidthInMbps, location:peeringLocation, state:serviceProviderProvisioningState}'
run az rest --method put --url "$cross?api-version=2022-01-01" --query 'properties.serviceProviderProvisioningState' \
	--body "{\"tags\":{\"primaryHandoff\":\"$primary\",\"secondaryHandoff\":\"$secondary\"},\"properties\":{\"serviceProviderProvisioningState\":\"Provisioning\",\"serviceProviderNotes\":\"patched\"}}"
for _ in $(seq 50); do
	[ "$(az rest --url "$cross?api-version=2022-01-01" --query properties.provisioningState -o tsv)" = Succeeded ] && break
done
run az rest --method put --url "$cross?api-version=2022-01-01" --query 'properties.serviceProviderProvisioningState' \
	--body '{"properties":{"serviceProviderProvisioningState":"Provisioned"}}'
as customer
run $er wait -g "$group" -n er1 --updated --interval 1
run $er show -g "$group" -n er1 --query '{provider:serviceProviderProvisioningState, notes:serviceProviderNotes}'

echo "## The customer brings up the peering"
run $er peering create -g "$group" --circuit-name er1 --peering-type AzurePrivatePeering --peer-asn 65001 --vlan-id "$vlan" \
	--primary-peer-subnet 192.168.1.0/30 --secondary-peer-subnet 192.168.1.4/30
run $er peering list -g "$group" --circuit-name er1 --query '[].[name, state, peerASN, vlanId]' -o tsv
run $er peering update -g "$group" --circuit-name er1 -n AzurePrivatePeering --peer-asn 65001 --query provisioningState
fails $er peering create -g "$group" --circuit-name er1 --peering-type AzurePrivatePeering --peer-asn 65515 --vlan-id "$vlan" --primary-peer-subnet 192.168.1.0/30 --secondary-peer-subnet 192.168.1.4/30
run $er update -g "$group" -n er1 --bandwidth 500 --query '{mbps:serviceProviderProperties.bandwidthInMbps, provider:serviceProviderProperties.serviceProviderName}'

echo "## A network with a gateway"
run az network vnet create -g "$group" -n v1 --address-prefixes 10.20.0.0/16 --subnet-name vms --subnet-prefixes 10.20.1.0/24 --query 'newVNet.{space:addressSpace.addressPrefixes, subnets:subnets[].name}'
run az network vnet subnet create -g "$group" --vnet-name v1 -n GatewaySubnet --address-prefixes 10.20.255.0/27 --query '{name:name, prefix:addressPrefix, state:provisioningState}'
run az network public-ip create -g "$group" -n pip1 --sku Standard --query 'publicIp.{sku:sku.name, method:publicIPAllocationMethod, state:provisioningState}'
run az network nic create -g "$group" -n nic1 --vnet-name v1 --subnet vms --private-ip-address 10.20.1.4 --tags attachTo="$machine" --query 'NewNIC.{address:ipConfigurations[0].privateIPAddress, state:provisioningState, tags:tags}'
run az network vnet check-ip-address -g "$group" -n v1 --ip-address 10.20.1.4
run az network vnet-gateway create -g "$group" -n g1 --gateway-type ExpressRoute --sku ErGw1AZ --vnet v1 --public-ip-addresses pip1 --query 'vnetGateway.{type:gatewayType, sku:sku.name, state:provisioningState}'
run az network vpn-connection create -g "$group" -n cn1 --vnet-gateway1 g1 --express-route-circuit2 "/subscriptions/$(of customer subscription)/resourceGroups/$group/providers/Microsoft.Network/expressRouteCircuits/er1" \
	--routing-weight 10 --query 'resource.{type:connectionType, weight:routingWeight, state:provisioningState}'
run az network vpn-connection show -g "$group" -n cn1 --query '{type:connectionType, weight:routingWeight, circuit:peer.id}'
run az network vpn-connection list -g "$group" --query '[].name' -o tsv
run az network vpn-connection list -g "$group" --vnet-gateway g1 --query '[].name' -o tsv
run az network vpn-connection shared-key show -g "$group" --connection-name cn1
run az deployment group list -g "$group" --query '[].{name:name, state:properties.provisioningState}'

echo "## What the routers know"
for path in primary secondary; do
	run $er list-route-tables -g "$group" -n er1 --peering-name AzurePrivatePeering --path $path
	run $er list-route-tables-summary -g "$group" -n er1 --peering-name AzurePrivatePeering --path $path --query 'value[].[neighbor, "as", statePfxRcd]' -o tsv
	run $er list-arp-tables -g "$group" -n er1 --peering-name AzurePrivatePeering --path $path --query 'value[].[interface, ipAddress]' -o tsv
done
run $er get-stats -g "$group" -n er1 --query 'keys(@)'
run $er peering get-stats -g "$group" --circuit-name er1 -n AzurePrivatePeering --query 'keys(@)'
run az network vnet-gateway list-learned-routes -g "$group" -n g1 --query 'sort(value[].network)'
run az network vnet-gateway list-bgp-peer-status -g "$group" -n g1 --query 'value[].[asn, state]' -o tsv
run az network vnet-gateway list-advertised-routes -g "$group" -n g1 --peer "$(az network vnet-gateway list-bgp-peer-status -g "$group" -n g1 --query 'value[0].neighbor' -o tsv)" --query 'value[].network'

echo "## Around it"
run az network vnet-gateway list -g "$group" --query '[].name' -o tsv
run az network vnet list --query '[].name' -o tsv
run az network vnet subnet list -g "$group" --vnet-name v1 --query '[].name' -o tsv
run az network nic list -g "$group" --query '[].name' -o tsv
run az network list-usages -l "$region" --query "[?name.value=='VirtualNetworks'].[currentValue, unit]" -o tsv
run az network route-filter create -g "$group" -n rf1 -l "$region" --query provisioningState
run az network route-filter rule create -g "$group" --filter-name rf1 -n r1 --access Allow --communities 12076:5010 --query '{access:access, communities:communities}'
run az network route-filter rule update -g "$group" --filter-name rf1 -n r1 --set communities='["12076:5020"]' --query communities
run az network route-filter show -g "$group" -n rf1 --query 'rules[].name' -o tsv
run az network route-filter rule list-service-communities --query "[?name=='Exchange'].bgpCommunities[].communityValue" -o tsv
run az network route-filter delete -g "$group" -n rf1
run az resource list -g "$group" --query 'sort([].type)'
run az resource show -g "$group" -n er1 --resource-type Microsoft.Network/expressRouteCircuits --query 'sku.name'
run az resource tag -g "$group" -n er1 --resource-type Microsoft.Network/expressRouteCircuits --tags team=net --query tags
run az tag update --resource-id "/subscriptions/$(of customer subscription)/resourceGroups/$group" --operation Merge --tags cost=42 --query properties.tags
run az tag list --resource-id "/subscriptions/$(of customer subscription)/resourceGroups/$group" --query properties.tags
run az lock create -g "$group" -n keep --lock-type CanNotDelete --query level
fails $er auth delete -g "$group" --circuit-name er1 -n a1
run az lock list -g "$group" --query '[].[name, level]' -o tsv
run az lock delete -g "$group" -n keep
fails az network vnet-gateway delete -g "$group" -n g1

echo "## And takes it all down"
run az network vpn-connection delete -g "$group" -n cn1
run az network vnet-gateway delete -g "$group" -n g1
run $er peering delete -g "$group" --circuit-name er1 -n AzurePrivatePeering
run $er auth delete -g "$group" --circuit-name er1 -n a1
fails $er delete -g "$group" -n er1
as provider
for state in Deprovisioning NotProvisioned; do
	run az rest --method put --url "$cross?api-version=2022-01-01" --query 'properties.serviceProviderProvisioningState' --body "{\"properties\":{\"serviceProviderProvisioningState\":\"$state\"}}"
	for _ in $(seq 50); do
		[ "$(az rest --url "$cross?api-version=2022-01-01" --query properties.provisioningState -o tsv)" = Succeeded ] && break
	done
done
as customer
run $er delete -g "$group" -n er1
run az network nic delete -g "$group" -n nic1
run az network public-ip delete -g "$group" -n pip1
run az network vnet delete -g "$group" -n v1
run az group delete -n "$group" --yes
run az group list --query "[?name=='$group']"
az logout
