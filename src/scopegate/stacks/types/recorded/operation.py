"""Recorded types: what watches, ships and scales: logs, alarms, deployments, containers."""

from collections.abc import Mapping
from typing import Final

from scopegate.stacks.types.recorded.row import Recorded, arn

ROWS: Final[Mapping[str, Recorded]] = {
    "AWS::AppConfig::Application": Recorded("{id}", {"ApplicationId": "{id}"}, id="{lower:7}"),
    "AWS::AppConfig::ConfigurationProfile": Recorded(
        "{id}", {"ConfigurationProfileId": "{id}"}, id="{lower:7}", replaces="ApplicationId LocationUri Type"
    ),
    "AWS::AppConfig::Deployment": Recorded(
        "1",
        {"DeploymentNumber": "1", "State": "COMPLETE"},
        replaces="ApplicationId ConfigurationProfileId ConfigurationVersion DeploymentStrategyId EnvironmentId",
    ),
    "AWS::AppConfig::DeploymentStrategy": Recorded("{id}", {"Id": "{id}"}, id="{lower:7}", replaces="Name ReplicateTo"),
    "AWS::AppConfig::Environment": Recorded(
        "{id}", {"EnvironmentId": "{id}"}, id="{lower:7}", replaces="ApplicationId"
    ),
    "AWS::AppConfig::HostedConfigurationVersion": Recorded(
        "1", {"VersionNumber": "1"}, replaces="ApplicationId ConfigurationProfileId Content ContentType"
    ),
    "AWS::ApplicationAutoScaling::ScalableTarget": Recorded(
        "{ResourceId}|{ScalableDimension}|{ServiceNamespace}",
        {"Id": "{ResourceId}|{ScalableDimension}|{ServiceNamespace}"},
        replaces="ResourceId ScalableDimension ServiceNamespace",
        says="nothing is scaled by it",
    ),
    "AWS::ApplicationAutoScaling::ScalingPolicy": Recorded(
        arn("autoscaling", "scalingPolicy:{id}:policyName/{PolicyName}"),
        {"Arn": arn("autoscaling", "scalingPolicy:{id}:policyName/{PolicyName}")},
        id="{uuid}",
        replaces="PolicyName ResourceId ScalableDimension ScalingTargetId ServiceNamespace",
        says="nothing is scaled by it",
    ),
    "AWS::ApplicationInsights::Application": Recorded(
        arn("applicationinsights", "application/resource-group/{ResourceGroupName}"),
        {"ApplicationARN": arn("applicationinsights", "application/resource-group/{ResourceGroupName}")},
        replaces="GroupingType ResourceGroupName",
    ),
    "AWS::AutoScaling::AutoScalingGroup": Recorded(
        attributes={"AutoScalingGroupARN": arn("autoscaling", "autoScalingGroup:{id}:autoScalingGroupName/{name}")},
        name="AutoScalingGroupName",
        longest=255,
        id="{uuid}",
        replaces="InstanceId",
        says="nothing is scaled by it",
    ),
    "AWS::AutoScaling::ScalingPolicy": Recorded(
        arn("autoscaling", "scalingPolicy:{id}:autoScalingGroupName/{AutoScalingGroupName}:policyName/{name}"),
        {
            "Arn": arn(
                "autoscaling", "scalingPolicy:{id}:autoScalingGroupName/{AutoScalingGroupName}:policyName/{name}"
            ),
            "PolicyName": "{name}",
        },
        longest=255,
        id="{uuid}",
        replaces="AutoScalingGroupName",
        says="nothing is scaled by it",
    ),
    "AWS::Batch::ComputeEnvironment": Recorded(
        arn("batch", "compute-environment/{name}"),
        {"ComputeEnvironmentArn": arn("batch", "compute-environment/{name}")},
        name="ComputeEnvironmentName",
        longest=128,
        replaces="Type",
    ),
    "AWS::Batch::JobDefinition": Recorded(
        arn("batch", "job-definition/{name}:1"),
        {"JobDefinitionArn": arn("batch", "job-definition/{name}:1")},
        name="JobDefinitionName",
        longest=128,
    ),
    "AWS::Batch::JobQueue": Recorded(
        arn("batch", "job-queue/{name}"),
        {"JobQueueArn": arn("batch", "job-queue/{name}")},
        name="JobQueueName",
        longest=128,
        replaces="JobQueueType",
    ),
    "AWS::Budgets::Budget": Recorded(name="Budget.BudgetName", longest=100, replaces="NotificationsWithSubscribers"),
    "AWS::CDK::Metadata": Recorded(attributes={"Id": "{name}"}),
    "AWS::CloudFormation::WaitCondition": Recorded(
        arn("cloudformation", "stack/{name}/{id}/wait"),
        {"Data": "{}"},
        id="{uuid}",
        says="nothing is waited for",
    ),
    "AWS::CloudFormation::WaitConditionHandle": Recorded(
        "https://cloudformation-waitcondition-{region}.s3.{region}.{suffix}/{name}/{id}",
        id="{uuid}",
        says="no signal is taken",
    ),
    "AWS::CloudTrail::Trail": Recorded(
        attributes={"Arn": arn("cloudtrail", "trail/{name}"), "SnsTopicArn": "[" + arn("sns", "{SnsTopicName}") + "]"},
        name="TrailName",
        longest=128,
    ),
    "AWS::CloudWatch::Alarm": Recorded(
        attributes={"Arn": arn("cloudwatch", "alarm:{name}")}, name="AlarmName", longest=255
    ),
    "AWS::CloudWatch::AnomalyDetector": Recorded(
        "{id}",
        {"Id": "{id}"},
        id="{uuid}",
        replaces="Dimensions MetricMathAnomalyDetector MetricName Namespace SingleMetricAnomalyDetector Stat",
    ),
    "AWS::CloudWatch::CompositeAlarm": Recorded(
        attributes={"Arn": arn("cloudwatch", "alarm:{name}")}, name="AlarmName", longest=255
    ),
    "AWS::CloudWatch::Dashboard": Recorded(name="DashboardName", longest=255),
    "AWS::CloudWatch::InsightRule": Recorded(
        arn("cloudwatch", "insight-rule/{name}"),
        {"Arn": arn("cloudwatch", "insight-rule/{name}"), "RuleName": "{name}"},
        name="RuleName",
        longest=128,
    ),
    "AWS::CloudWatch::MetricStream": Recorded(
        attributes={
            "Arn": arn("cloudwatch", "metric-stream/{name}"),
            "CreationDate": "{moment}",
            "LastUpdateDate": "{moment}",
            "State": "running",
        },
        name="Name",
        longest=255,
    ),
    "AWS::CodeBuild::Project": Recorded(
        attributes={"Arn": arn("codebuild", "project/{name}"), "Id": "{name}"}, name="Name", longest=255
    ),
    "AWS::CodeCommit::Repository": Recorded(
        "{id}",
        {
            "Arn": arn("codecommit", "{RepositoryName}"),
            "CloneUrlHttp": "https://git-codecommit.{region}.{suffix}/v1/repos/{RepositoryName}",
            "CloneUrlSsh": "ssh://git-codecommit.{region}.{suffix}/v1/repos/{RepositoryName}",
            "Name": "{RepositoryName}",
        },
        id="{uuid}",
    ),
    "AWS::CodeDeploy::Application": Recorded(name="ApplicationName", longest=100, replaces="ComputePlatform"),
    "AWS::CodeDeploy::DeploymentConfig": Recorded(
        name="DeploymentConfigName",
        longest=100,
        replaces="ComputePlatform MinimumHealthyHosts TrafficRoutingConfig ZonalConfig",
    ),
    "AWS::CodeDeploy::DeploymentGroup": Recorded(
        name="DeploymentGroupName", longest=100, replaces="ApplicationName", says="aliases move at once"
    ),
    "AWS::CodePipeline::Pipeline": Recorded(
        attributes={"Arn": arn("codepipeline", "{name}"), "Version": "1"}, name="Name", longest=100
    ),
    "AWS::Config::ConfigRule": Recorded(
        attributes={
            "Arn": arn("config", "config-rule/config-rule-{id}"),
            "Compliance.Type": "INSUFFICIENT_DATA",
            "ConfigRuleId": "config-rule-{id}",
        },
        name="ConfigRuleName",
        longest=128,
        id="{lower:6}",
    ),
    "AWS::ECR::Repository": Recorded(
        attributes={
            "Arn": arn("ecr", "repository/{name}"),
            "RepositoryUri": "{account}.dkr.ecr.{region}.{suffix}/{name}",
        },
        name="RepositoryName",
        longest=256,
        lower=True,
        replaces="EncryptionConfiguration",
    ),
    "AWS::ECS::Cluster": Recorded(attributes={"Arn": arn("ecs", "cluster/{name}")}, name="ClusterName", longest=255),
    "AWS::ECS::Service": Recorded(
        arn("ecs", "service/{Cluster|default}/{name}"),
        {"Name": "{name}", "ServiceArn": arn("ecs", "service/{Cluster|default}/{name}")},
        name="ServiceName",
        longest=255,
        replaces="Cluster Role SchedulingStrategy",
    ),
    "AWS::ECS::TaskDefinition": Recorded(
        arn("ecs", "task-definition/{name}:1"),
        {"TaskDefinitionArn": arn("ecs", "task-definition/{name}:1")},
        name="Family",
        longest=255,
        replaces="ContainerDefinitions Cpu ExecutionRoleArn Memory NetworkMode TaskRoleArn Volumes",
    ),
    "AWS::Logs::AccountPolicy": Recorded(
        "{account}|{PolicyType}|{PolicyName}", {"AccountId": "{account}"}, replaces="PolicyName PolicyType"
    ),
    "AWS::Logs::Delivery": Recorded(
        "{id}",
        {"Arn": arn("logs", "delivery:{id}"), "DeliveryDestinationType": "CWL", "DeliveryId": "{id}"},
        id="{mixed:16}",
        replaces="DeliveryDestinationArn DeliverySourceName",
    ),
    "AWS::Logs::DeliveryDestination": Recorded(
        attributes={"Arn": arn("logs", "delivery-destination:{name}")}, name="Name", replaces="DestinationResourceArn"
    ),
    "AWS::Logs::DeliverySource": Recorded(attributes={"Arn": arn("logs", "delivery-source:{name}")}, name="Name"),
    "AWS::Logs::Destination": Recorded(
        attributes={"Arn": arn("logs", "destination:{name}")}, name="DestinationName", longest=512
    ),
    "AWS::Logs::LogGroup": Recorded(
        attributes={"Arn": arn("logs", "log-group:{name}:*")}, name="LogGroupName", longest=512
    ),
    "AWS::Logs::LogStream": Recorded(name="LogStreamName", longest=512, replaces="LogGroupName"),
    "AWS::Logs::MetricFilter": Recorded(name="FilterName", longest=512, replaces="LogGroupName"),
    "AWS::Logs::QueryDefinition": Recorded("{id}", {"QueryDefinitionId": "{id}"}, id="{uuid}"),
    "AWS::Logs::ResourcePolicy": Recorded(name="PolicyName", longest=255),
    "AWS::Logs::SubscriptionFilter": Recorded(
        name="FilterName", longest=512, replaces="LogGroupName", says="no log line is delivered"
    ),
    "AWS::RUM::AppMonitor": Recorded("{Name}", {"Id": "{id}"}, id="{uuid}", replaces="Name"),
    "AWS::ResourceGroups::Group": Recorded(
        attributes={"Arn": arn("resource-groups", "group/{name}")}, name="Name", longest=300
    ),
    "AWS::SageMaker::Endpoint": Recorded(
        arn("sagemaker", "endpoint/{name}"),
        {"EndpointArn": arn("sagemaker", "endpoint/{name}"), "EndpointName": "{name}"},
        name="EndpointName",
        longest=63,
    ),
    "AWS::SageMaker::EndpointConfig": Recorded(
        arn("sagemaker", "endpoint-config/{name}"),
        {"EndpointConfigArn": arn("sagemaker", "endpoint-config/{name}"), "EndpointConfigName": "{name}"},
        name="EndpointConfigName",
        longest=63,
        replaces="ProductionVariants",
    ),
    "AWS::SageMaker::Model": Recorded(
        arn("sagemaker", "model/{name}"),
        {"ModelArn": arn("sagemaker", "model/{name}"), "ModelName": "{name}"},
        name="ModelName",
        longest=63,
        replaces="Containers ExecutionRoleArn PrimaryContainer VpcConfig",
    ),
    "AWS::Signer::SigningProfile": Recorded(
        arn("signer", "/signing-profiles/{name}"),
        {
            "Arn": arn("signer", "/signing-profiles/{name}"),
            "ProfileName": "{name}",
            "ProfileVersion": "{id}",
            "ProfileVersionArn": arn("signer", "/signing-profiles/{name}/{id}"),
        },
        name="ProfileName",
        longest=64,
        id="{mixed:10}",
        replaces="PlatformId SignatureValidityPeriod",
    ),
    "AWS::Synthetics::Canary": Recorded(
        attributes={"Code.SourceLocationArn": "", "Id": "{id}", "State": "READY"},
        name="Name",
        longest=255,
        lower=True,
        id="{uuid}",
    ),
    "AWS::XRay::Group": Recorded(
        arn("xray", "group/{GroupName}/{id}"),
        {"GroupARN": arn("xray", "group/{GroupName}/{id}")},
        id="{upper:26}",
    ),
    "AWS::XRay::ResourcePolicy": Recorded(name="PolicyName", longest=128),
    "AWS::XRay::SamplingRule": Recorded(
        arn("xray", "sampling-rule/{name}"),
        {"RuleARN": arn("xray", "sampling-rule/{name}")},
        name="SamplingRule.RuleName",
        longest=32,
    ),
}
