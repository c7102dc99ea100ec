"""The "Dapr & OSM integration" walkthrough, as one Pulumi program. Read it beside the page."""

import pulumi

from components import (
    DaprInstall,
    DaprInstallArgs,
    HelloKubernetesApps,
    HelloKubernetesAppsArgs,
    Interception,
    MeshConfigExclusions,
    MeshConfigExclusionsArgs,
    OsmInstall,
    OsmInstallArgs,
    SmiPolicies,
    SmiPoliciesArgs,
    Verification,
    VerificationArgs,
    connect,
)
from model.apps import NODE_APP
from model.exclusions import NO_EXCLUSIONS
from model.expectation import expectation
from model.versions import OSM_RELEASE
from stack import stack_settings

settings, secrets = stack_settings()
stage = settings.stage
connection = connect()

# Step 1: Dapr, with its mTLS off.
dapr = DaprInstall(
    "dapr",
    DaprInstallArgs(
        connection=connection,
        namespace=settings.namespaces.dapr,
        release=settings.dapr,
        mtls=settings.dapr_mtls,
        chart=settings.dapr_chart,
        registry=settings.images.dapr_registry,
        values=settings.dapr_values,
        registry_credentials=secrets.registry_credentials,
        timeout_seconds=settings.timeout_seconds,
    ),
)
components: list[pulumi.Resource] = [dapr]
digests = [dapr.digest]
interception = exclusions = osm = None

if stage.meshed:
    # Step 2: OSM.
    osm = OsmInstall(
        "osm",
        OsmInstallArgs(
            connection=connection,
            namespace=settings.namespaces.osm,
            release=OSM_RELEASE,
            chart=settings.osm_chart,
            registry=settings.images.osm_registry,
            envoy_image=settings.images.envoy,
            curl_image=settings.images.curl,
            values=settings.osm_values,
            registry_credentials=secrets.registry_credentials,
            timeout_seconds=settings.timeout_seconds,
        ),
    )
    # Steps 3 to 6: permissive mode, and what bypasses Envoy.
    exclusions = MeshConfigExclusions(
        "exclusions",
        MeshConfigExclusionsArgs(
            connection=connection,
            mesh=osm,
            sidecars=osm.sidecars,
            namespaces=settings.namespaces,
            services=dapr.services,
            permissive=stage.permissive,
            enable_egress=settings.enable_egress,
            exclude_api_server=settings.exclude_api_server,
            exclusion_set=settings.exclusion_set,
            port_scope=settings.port_scope,
            extra_ports=settings.extra_ports,
            extra_ip_ranges=settings.extra_ip_ranges,
        ),
    )
    interception = Interception(
        pod_annotation=exclusions.pod_annotation, digest=exclusions.injection_digest, configured=exclusions
    )
    components += [osm, exclusions]
    digests += [osm.digest, exclusions.digest]

# Steps 1, 7 and 8: the apps and their state store, joined to the mesh where there is one.
apps = HelloKubernetesApps(
    "hello",
    HelloKubernetesAppsArgs(
        connection=connection,
        stage=stage,
        namespace=settings.namespaces.apps,
        apps=settings.apps,
        redis_image=settings.images.redis,
        redis_password=secrets.redis_password,
        password_in_component=settings.password_in_component,
        read_all_secrets=settings.read_all_secrets,
        registry_credentials=secrets.registry_credentials,
        route=settings.dapr.route,
        dapr=dapr,
        dapr_digest=dapr.sidecars,
        interception=interception,
    ),
)
components.append(apps)
digests.append(apps.digest)

# Step 10: with permissive mode off, only what a policy allows.
if osm is not None and stage.enforces:
    policies = SmiPolicies(
        "smi",
        SmiPoliciesArgs(
            connection=connection,
            namespaces=apps.namespaces,
            policies=list(settings.policies.values()) if stage.policies else [],
            apps=settings.apps,
            route=settings.dapr.route,
            mesh=osm,
            deployed=apps,
        ),
    )
    components.append(policies)
    digests.append(policies.digest)

# Steps 1, 9 and 10: does it do what the stage says?
expected = expectation(
    stage,
    dapr=settings.dapr,
    osm=OSM_RELEASE,
    apps=settings.apps,
    policies=list(settings.policies.values()),
    seconds=settings.verify_seconds,
)
verification = Verification(
    "verification",
    VerificationArgs(
        expectation=expected,
        covers=digests,
        after=components,
    ),
)

# What an operator asks first.
pulumi.export("stage", stage.value)
pulumi.export("versions", {"dapr": dapr.version} | ({"osm": osm.version} if osm else {}))
pulumi.export(
    "namespaces",
    {"dapr": dapr.namespace, "apps": list(apps.namespaces.values())} | ({"osm": osm.namespace} if osm else {}),
)
pulumi.export("exclusions", exclusions.exclusions if exclusions else NO_EXCLUSIONS.explained())
pulumi.export("verification", verification.findings)
pulumi.export("expectation", expected.to_json())
if node := settings.apps.get(NODE_APP):
    pulumi.export("watchOrders", f"kubectl logs -n {node.namespace} deploy/{node.name} -c {node.container} -f")
