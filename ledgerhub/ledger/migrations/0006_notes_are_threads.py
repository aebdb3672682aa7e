"""What is said about a statement line is kept by reconciliation, as a thread."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("ledger", "0005_line_history_and_exclusion")]

    operations = [migrations.RemoveField("statementline", "note")]
