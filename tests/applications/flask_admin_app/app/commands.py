import click
from flask.cli import with_appcontext
from sqlalchemy import select

from .database import db
from .models import Company, Item, User


@click.command()
@with_appcontext
def low_stock() -> None:
    """List what each company has to order."""
    for company in db.session.scalars(select(Company).order_by(Company.id)):
        items = select(Item.name).where(Item.company_id == company.id, Item.stock < 3)
        addresses = select(User.email).where(User.company_id == company.id)
        names = ", ".join(db.session.scalars(items.order_by(Item.id)))
        for address in db.session.scalars(addresses.order_by(User.id)):
            click.echo(f"{address}: {names}")
