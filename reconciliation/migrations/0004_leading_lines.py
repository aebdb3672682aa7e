"""A match knows its leading line and its numbers of rows; what is said about a line may be a question."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ledger", "0005_line_history_and_exclusion"),
        ("reconciliation", "0003_rules_weights_and_sign_off"),
    ]

    operations = [
        migrations.AddField("linenote", "question", models.BooleanField(default=False)),
        migrations.AddField(
            "match",
            "line",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="led",
                to="ledger.statementline",
            ),
        ),
        migrations.AddField("match", "line_count", models.PositiveIntegerField(default=0)),
        migrations.AddField("match", "entry_count", models.PositiveIntegerField(default=0)),
    ]
