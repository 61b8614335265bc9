"""The words function: the name of the table in which things of a class are kept."""

import answers
import inflection


def handler(event, context):
    name = event["pathParameters"]["name"]
    return answers.ok({"class": name, "table": inflection.tableize(name)})
