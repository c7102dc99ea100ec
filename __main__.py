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
from model.apps import NODE_APP, PYTHON_APP
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
        release=settings.dapr,
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
            services=dapr.services,
            permissive=stage.permissive,
            exclude_api_server=settings.exclude_api_server,
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
        images={NODE_APP.name: settings.images.node_app, PYTHON_APP.name: settings.images.python_app},
        redis_image=settings.images.redis,
        redis_password=secrets.redis_password,
        password_in_component=settings.password_in_component,
        read_all_secrets=settings.read_all_secrets,
        registry_credentials=secrets.registry_credentials,
        route=settings.dapr.route,
        dapr=dapr,
        interception=interception,
    ),
)
components.append(apps)
digests.append(apps.digest)

# Step 10: with permissive mode off, only what a policy allows.
if osm is not None and not stage.permissive:
    policies = SmiPolicies(
        "smi",
        SmiPoliciesArgs(connection=connection, namespace=apps.namespace, allowed=stage.policies, mesh=osm),
    )
    components.append(policies)
    digests.append(policies.digest)

# Steps 1, 9 and 10: does it do what the stage says?
expected = expectation(stage, settings.dapr, OSM_RELEASE, settings.verify_seconds)
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
pulumi.export("namespaces", {"dapr": dapr.namespace, "apps": apps.namespace} | ({"osm": osm.namespace} if osm else {}))
pulumi.export("exclusions", exclusions.exclusions if exclusions else NO_EXCLUSIONS.explained())
pulumi.export("verification", verification.findings)
pulumi.export("expectation", expected.to_json())
pulumi.export(
    "watchOrders",
    pulumi.Output.concat(
        "kubectl logs -n ", apps.namespace, " deploy/", NODE_APP.name, " -c ", NODE_APP.container, " -f"
    ),
)
