"""Recorded types: what passes messages on: queues, topics, rules, schedules, state machines; and GraphQL APIs."""

from collections.abc import Mapping
from typing import Final

from scopegate.stacks.types.recorded.row import Recorded, arn, global_arn

_QUEUE_URL: Final = "https://sqs.{region}.{suffix}/{account}/{name}"
_TOPIC: Final = arn("sns", "{name}")
_MACHINE: Final = arn("states", "stateMachine:{name}")
_GRAPHQL: Final = arn("appsync", "apis/{id}")

ROWS: Final[Mapping[str, Recorded]] = {
    "AWS::AmazonMQ::Broker": Recorded(
        "b-{id}",
        {
            "AmqpEndpoints": ("amqps://b-{id}-1.mq.{region}.{suffix}:5671",),
            "Arn": arn("mq", "broker:{name}:b-{id}"),
            "ConfigurationId": "c-{id}",
            "ConfigurationRevision": "1",
            "Id": "b-{id}",
            "IpAddresses": ("10.0.0.10",),
            "MqttEndpoints": ("mqtt+ssl://b-{id}-1.mq.{region}.{suffix}:8883",),
            "OpenWireEndpoints": ("ssl://b-{id}-1.mq.{region}.{suffix}:61617",),
            "StompEndpoints": ("stomp+ssl://b-{id}-1.mq.{region}.{suffix}:61614",),
            "WssEndpoints": ("wss://b-{id}-1.mq.{region}.{suffix}:61619",),
        },
        name="BrokerName",
        longest=50,
        id="{uuid}",
        replaces="DeploymentMode EngineType PubliclyAccessible StorageType SubnetIds",
    ),
    "AWS::AmazonMQ::Configuration": Recorded(
        "c-{id}",
        {"Arn": arn("mq", "configuration:c-{id}"), "Id": "c-{id}", "Revision": "1"},
        id="{uuid}",
        replaces="EngineType Name",
    ),
    "AWS::AppSync::ApiCache": Recorded(attributes={"Id": "{name}"}, replaces="ApiId"),
    "AWS::AppSync::ApiKey": Recorded(
        arn("appsync", "apis/{ApiId}/apikeys/da2-{id}"),
        {
            "ApiKey": "da2-{id}",
            "ApiKeyId": "da2-{id}",
            "Arn": arn("appsync", "apis/{ApiId}/apikeys/da2-{id}"),
        },
        id="{lower:26}",
        replaces="ApiId",
    ),
    "AWS::AppSync::DataSource": Recorded(
        arn("appsync", "apis/{ApiId}/datasources/{Name}"),
        {"DataSourceArn": arn("appsync", "apis/{ApiId}/datasources/{Name}"), "Name": "{Name}"},
        replaces="ApiId Name",
    ),
    "AWS::AppSync::DomainName": Recorded(
        "{DomainName}",
        {
            "AppSyncDomainName": "d{id}.cloudfront.net",
            "DomainName": "{DomainName}",
            "DomainNameArn": global_arn("appsync", "domainnames/{DomainName}"),
            "HostedZoneId": "Z2FDTNDATAQYW2",
        },
        id="{lower:13}",
        replaces="CertificateArn DomainName",
    ),
    "AWS::AppSync::DomainNameApiAssociation": Recorded(
        "{DomainName}/ApiAssociation",
        {"ApiAssociationIdentifier": "{DomainName}/ApiAssociation"},
        replaces="DomainName",
    ),
    "AWS::AppSync::FunctionConfiguration": Recorded(
        arn("appsync", "apis/{ApiId}/functions/{id}"),
        {
            "DataSourceName": "{DataSourceName}",
            "FunctionArn": arn("appsync", "apis/{ApiId}/functions/{id}"),
            "FunctionId": "{id}",
            "Name": "{Name}",
        },
        id="{lower:26}",
        replaces="ApiId",
    ),
    "AWS::AppSync::GraphQLApi": Recorded(
        _GRAPHQL,
        {
            "ApiId": "{id}",
            "Arn": _GRAPHQL,
            "GraphQLDns": "{id}.appsync-api.{region}.{suffix}",
            "GraphQLEndpointArn": arn("appsync", "endpoints/graphql-api/{id}"),
            "GraphQLUrl": "https://{id}.appsync-api.{region}.{suffix}/graphql",
            "RealtimeDns": "{id}.appsync-realtime-api.{region}.{suffix}",
            "RealtimeUrl": "wss://{id}.appsync-realtime-api.{region}.{suffix}/graphql",
        },
        id="{lower:26}",
    ),
    "AWS::AppSync::GraphQLSchema": Recorded("{ApiId}GraphQLSchema", {"Id": "{ApiId}GraphQLSchema"}),
    "AWS::AppSync::Resolver": Recorded(
        arn("appsync", "apis/{ApiId}/types/{TypeName}/resolvers/{FieldName}"),
        {
            "FieldName": "{FieldName}",
            "ResolverArn": arn("appsync", "apis/{ApiId}/types/{TypeName}/resolvers/{FieldName}"),
            "TypeName": "{TypeName}",
        },
        replaces="ApiId FieldName TypeName",
    ),
    "AWS::Events::ApiDestination": Recorded(
        attributes={
            "Arn": arn("events", "api-destination/{name}/{id}"),
            "ArnForPolicy": arn("events", "api-destination/{name}"),
        },
        name="Name",
        id="{uuid}",
    ),
    "AWS::Events::Archive": Recorded(
        attributes={"ArchiveName": "{name}", "Arn": arn("events", "archive/{name}")},
        name="ArchiveName",
        longest=48,
        replaces="SourceArn",
    ),
    "AWS::Events::Connection": Recorded(
        attributes={
            "Arn": arn("events", "connection/{name}/{id}"),
            "ArnForPolicy": arn("events", "connection/{name}"),
            "SecretArn": arn("secretsmanager", "secret:events!connection/{name}/{id}"),
        },
        name="Name",
        id="{uuid}",
    ),
    "AWS::Events::EventBus": Recorded(
        attributes={"Arn": arn("events", "event-bus/{name}"), "Name": "{name}"}, name="Name", longest=256
    ),
    "AWS::Events::EventBusPolicy": Recorded(
        "{EventBusName|default}|{StatementId}", replaces="EventBusName StatementId"
    ),
    "AWS::Events::Rule": Recorded(
        "[{EventBusName}|]{name}",
        {"Arn": arn("events", "rule/[{EventBusName}/]{name}"), "RuleName": "{name}"},
        name="Name",
        replaces="EventBusName",
        says="no event sets anything off",
    ),
    "AWS::IoT::Policy": Recorded(
        attributes={"Arn": arn("iot", "policy/{name}"), "Id": "{name}"}, name="PolicyName", longest=128
    ),
    "AWS::IoT::Thing": Recorded(
        attributes={"Arn": arn("iot", "thing/{name}"), "Id": "{id}"}, name="ThingName", longest=128, id="{uuid}"
    ),
    "AWS::IoT::TopicRule": Recorded(
        attributes={"Arn": arn("iot", "rule/{name}")},
        name="RuleName",
        longest=128,
        says="no event sets anything off",
    ),
    "AWS::MSK::BatchScramSecret": Recorded("{ClusterArn}", replaces="ClusterArn"),
    "AWS::MSK::Cluster": Recorded(
        arn("kafka", "cluster/{ClusterName}/{id}"),
        {"Arn": arn("kafka", "cluster/{ClusterName}/{id}"), "CurrentVersion": "K1"},
        id="{uuid}",
        replaces="ClusterName",
    ),
    "AWS::MSK::Configuration": Recorded(
        arn("kafka", "configuration/{Name}/{id}"),
        {"Arn": arn("kafka", "configuration/{Name}/{id}"), "LatestRevision.Revision": "1"},
        id="{uuid}",
        replaces="KafkaVersionsList Name",
    ),
    "AWS::MSK::ServerlessCluster": Recorded(
        arn("kafka", "cluster/{ClusterName}/{id}"),
        {"Arn": arn("kafka", "cluster/{ClusterName}/{id}")},
        id="{uuid}",
        replaces="ClientAuthentication ClusterName VpcConfigs",
    ),
    "AWS::Pipes::Pipe": Recorded(
        attributes={
            "Arn": arn("pipes", "pipe/{name}"),
            "CreationTime": "{moment}",
            "CurrentState": "RUNNING",
            "LastModifiedTime": "{moment}",
            "StateReason": "",
        },
        name="Name",
        replaces="Source",
        says="no event sets anything off",
    ),
    "AWS::SES::ConfigurationSet": Recorded(name="Name"),
    "AWS::SES::EmailIdentity": Recorded(
        "{EmailIdentity}",
        {
            **{f"DkimDNSTokenName{number}": f"{{id}}{number}._domainkey.{{EmailIdentity}}" for number in (1, 2, 3)},
            **{f"DkimDNSTokenValue{number}": f"{{id}}{number}.dkim.amazonses.com" for number in (1, 2, 3)},
        },
        id="{lower:31}",
        replaces="EmailIdentity",
    ),
    "AWS::SES::ReceiptRule": Recorded(
        "{name}",
        {"RuleName": "{name}"},
        name="Rule.Name",
        replaces="RuleSetName",
        says="no mail is taken in",
    ),
    "AWS::SES::ReceiptRuleSet": Recorded(name="RuleSetName", says="no mail is taken in"),
    "AWS::SES::Template": Recorded(attributes={"Id": "{name}"}, name="Template.TemplateName"),
    "AWS::SNS::Subscription": Recorded(
        "{TopicArn}:{id}",
        {"Arn": "{TopicArn}:{id}"},
        id="{uuid}",
        replaces="Endpoint Protocol TopicArn",
        says="no message is delivered",
    ),
    "AWS::SNS::Topic": Recorded(
        _TOPIC, {"TopicArn": _TOPIC, "TopicName": "{name}"}, name="TopicName", longest=256, replaces="FifoTopic"
    ),
    "AWS::SNS::TopicInlinePolicy": Recorded("{TopicArn}", replaces="TopicArn"),
    "AWS::SNS::TopicPolicy": Recorded(attributes={"Id": "{name}"}, longest=255),
    "AWS::SQS::Queue": Recorded(
        _QUEUE_URL,
        {"Arn": arn("sqs", "{name}"), "QueueName": "{name}", "QueueUrl": _QUEUE_URL},
        name="QueueName",
        longest=80,
        replaces="FifoQueue",
    ),
    "AWS::SQS::QueueInlinePolicy": Recorded("{Queue}", replaces="Queue"),
    "AWS::SQS::QueuePolicy": Recorded(attributes={"Id": "{name}"}, longest=255),
    "AWS::Scheduler::Schedule": Recorded(
        attributes={"Arn": arn("scheduler", "schedule/{GroupName|default}/{name}")},
        name="Name",
        says="no moment sets anything off",
    ),
    "AWS::Scheduler::ScheduleGroup": Recorded(
        attributes={
            "Arn": arn("scheduler", "schedule-group/{name}"),
            "CreationDate": "{moment}",
            "LastModificationDate": "{moment}",
            "State": "ACTIVE",
        },
        name="Name",
    ),
    "AWS::StepFunctions::Activity": Recorded(
        arn("states", "activity:{name}"),
        {"Arn": arn("states", "activity:{name}"), "Name": "{name}"},
        name="Name",
        longest=80,
        replaces="EncryptionConfiguration",
    ),
    "AWS::StepFunctions::StateMachine": Recorded(
        _MACHINE,
        {"Arn": _MACHINE, "Name": "{name}", "StateMachineRevisionId": "{id}"},
        name="StateMachineName",
        longest=80,
        id="{uuid}",
        replaces="StateMachineType",
    ),
    "AWS::StepFunctions::StateMachineAlias": Recorded(
        arn("states", "stateMachine:{name}"), {"Arn": arn("states", "stateMachine:{name}")}, name="Name", longest=80
    ),
    "AWS::StepFunctions::StateMachineVersion": Recorded(
        "{StateMachineArn}:1",
        {"Arn": "{StateMachineArn}:1"},
        replaces="Description StateMachineArn StateMachineRevisionId",
    ),
}
